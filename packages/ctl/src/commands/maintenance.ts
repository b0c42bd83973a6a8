import { Maintenance, maintenanceTasks } from "@galaxy-jobs/handler";
import { silentLogger } from "@galaxy-jobs/runtime";
import { listMaintenanceRuns, type MaintenanceRun } from "@galaxy-jobs/shared-db";
import type { Argv } from "yargs";
import { printRows } from "../output.ts";
import { withDatabase, type CommonArguments } from "../session.ts";

const names = maintenanceTasks.map(({ name }) => name);

const columns = [
  { title: "task", value: (run: MaintenanceRun) => run.task },
  { title: "began", value: (run: MaintenanceRun) => run.startTime },
  { title: "by", value: (run: MaintenanceRun) => `${run.serverName} on ${run.hostname}` },
  { title: "took", value: tookOf },
  { title: "outcome", value: (run: MaintenanceRun) => run.error ?? run.outcome ?? "under way" },
  { title: "did", value: didOf },
];

export function maintenanceCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command(
      "list",
      "The last runs of maintenance and what they did",
      (list) =>
        list
          .option("task", { type: "string", choices: names, describe: "Only runs of this task" })
          .option("limit", { type: "number", default: 20, describe: "Runs at most" }),
      (args) =>
        withDatabase(args, async (database) => {
          const filter = { limit: args.limit, ...(args.task === undefined ? {} : { task: args.task }) };
          printRows(await listMaintenanceRuns(database, filter), columns, args.json === true);
        }),
    )
    .command("tasks", "The tasks and when they are due (UTC)", {}, (args) => {
      const rows = maintenanceTasks.map(({ name, schedule, description }) => ({
        name,
        schedule,
        description,
      }));
      printRows(
        rows,
        [
          { title: "task", value: (row) => row.name },
          { title: "due (cron)", value: (row) => row.schedule },
          { title: "what", value: (row) => row.description },
        ],
        (args as CommonArguments).json === true,
      );
    })
    .command(
      "run <task>",
      "Runs a task now",
      (run) => run.positional("task", { type: "string", choices: names, demandOption: true }),
      (args) =>
        withDatabase(args, async (database, config) => {
          const task = maintenanceTasks.find(({ name }) => name === args.task)!;
          const maintenance = new Maintenance({ config, database, logger: silentLogger });
          const run = await maintenance.run(task);
          if (run === undefined)
            throw new Error(
              `${task.name} runs elsewhere, or has run in this minute; see: galaxyctl maintenance list`,
            );
          printRows([run], columns, args.json === true);
          if (run.outcome === "failed") process.exitCode = 1;
        }),
    )
    .demandCommand(1, "maintenance: say list, tasks or run");
}

function tookOf({ startTime, endTime }: MaintenanceRun): string {
  return endTime === null ? "" : `${((endTime.getTime() - startTime.getTime()) / 1000).toFixed(1)} s`;
}

function didOf({ counts }: MaintenanceRun): string {
  return Object.entries(counts ?? {})
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
}
