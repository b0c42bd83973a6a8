import type { Argv } from "yargs";
import { explainJob } from "@galaxy-jobs/handler";
import {
  earlierAttempts,
  browseJobs,
  channels,
  findJob,
  jobHistory,
  jobStates,
  loadIdEncoder,
  notify,
  recordOperatorAction,
  requestJobDeletion,
  type Database,
} from "@galaxy-jobs/shared-db";
import { operator } from "../operator.ts";
import { cell, printRows } from "../output.ts";
import { withDatabase, type CommonArguments } from "../session.ts";

type ListArguments = CommonArguments & { state?: string[]; tool?: string; handler?: string; limit: number };
type JobArguments = CommonArguments & { id: string };

const columns = [
  { title: "id", value: (row: Listing) => row.id },
  { title: "tool", value: (row: Listing) => row.toolId },
  { title: "state", value: (row: Listing) => row.state },
  { title: "handler", value: (row: Listing) => row.handler },
  { title: "user", value: (row: Listing) => row.userEmail },
  { title: "created", value: (row: Listing) => row.createTime },
  { title: "exit", value: (row: Listing) => row.exitCode },
  { title: "info", value: (row: Listing) => row.info },
];
type Listing = Awaited<ReturnType<typeof browseJobs>>[number];

export function jobCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command(
      "list",
      "The newest jobs of all users",
      (list) =>
        list
          .option("state", { type: "string", array: true, choices: jobStates, describe: "Only these states" })
          .option("tool", { type: "string", describe: "Only this tool" })
          .option("handler", { type: "string", describe: "Only this handler or tag" })
          .option("limit", { type: "number", default: 50, describe: "Rows at most" }),
      (args) =>
        withDatabase(args as unknown as ListArguments, async (database) => {
          const { state, tool, handler, limit, json } = args as unknown as ListArguments;
          const filter = {
            ...(state === undefined ? {} : { states: state }),
            ...(tool === undefined ? {} : { toolId: tool }),
            ...(handler === undefined ? {} : { handler }),
          };
          printRows(await browseJobs(database, { ...filter, limit }), columns, json === true);
        }),
    )
    .command("show <id>", "One job with its history", {}, (args) => show(args as unknown as JobArguments))
    .command("why <id>", "Why a job waits, with the numbers", {}, (args) =>
      why(args as unknown as JobArguments),
    )
    .command(
      ["delete <id>", "cancel <id>"],
      "Delete a job; its handler ends all of its processes",
      {},
      (args) => deleteJob(args as unknown as JobArguments),
    )
    .demandCommand(1, "jobs: say list, show, why or delete");
}

async function show(args: JobArguments): Promise<void> {
  await withDatabase(args, async (database, config) => {
    const id = await jobId(database, config.idSecret, args.id);
    const job = await findJob(database, id);
    if (job === undefined) throw new Error(`there is no job ${args.id}`);
    const history = await jobHistory(database, id);
    const attempts = await earlierAttempts(database, id);
    if (args.json === true) {
      process.stdout.write(`${JSON.stringify({ ...job, attempts, history }, undefined, 2)}\n`);
      return;
    }
    for (const [key, value] of Object.entries(job)) {
      if (value === null) continue;
      const text = typeof value === "object" && !(value instanceof Date) ? JSON.stringify(value) : value;
      process.stdout.write(`${key.padEnd(20)} ${cell(text)}\n`);
    }
    for (const { attempt, destinationId, handler, exitCode, cause, info } of attempts) {
      const exit = exitCode === null ? "no exit code" : `exit code ${exitCode}`;
      process.stdout.write(
        `attempt ${attempt} on ${destinationId} (${handler}): ${exit}, ${cause}: ${cell(info)}\n`,
      );
    }
    for (const { createTime, state, info } of history) {
      process.stdout.write(`${createTime.toISOString()} ${state} ${cell(info)}\n`);
    }
  });
}

async function why(args: JobArguments): Promise<void> {
  await withDatabase(args, async (database, config) => {
    const job = await findJob(database, await jobId(database, config.idSecret, args.id));
    if (job === undefined) throw new Error(`there is no job ${args.id}`);
    const { code, reason } = await explainJob(database, config, job);
    if (args.json === true)
      process.stdout.write(
        `${JSON.stringify({ id: job.id, state: job.state, code, reason }, undefined, 2)}\n`,
      );
    else process.stdout.write(`${job.state}: ${cell(reason)}\n`);
  });
}

async function deleteJob(args: JobArguments): Promise<void> {
  await withDatabase(args, async (database, config) => {
    const id = await jobId(database, config.idSecret, args.id);
    const result = await requestJobDeletion(database, id, "Job was cancelled by an administrator.");
    if (result.outcome === "deleted" || result.outcome === "deleting")
      await recordOperatorAction(database, { actor: operator(), action: "cancel", jobId: id });
    switch (result.outcome) {
      case "unknown":
        throw new Error(`there is no job ${args.id}`);
      case "ended":
        throw new Error(`job ${args.id} has ended already: ${result.state}`);
      case "deleted":
        process.stdout.write("deleted\n");
        return;
      case "deleting":
        await notify(database, channels.stopRequests, result.handler);
        process.stdout.write(`deleting: handler ${result.handler} has been asked to end it\n`);
    }
  });
}

/** A row's number, or an id of the API. */
async function jobId(database: Database, idSecret: string | undefined, given: string): Promise<number> {
  if (/^\d{1,15}$/.test(given)) return Number(given);
  const decoded = (await loadIdEncoder(database, idSecret)).decode("job", given);
  if (decoded === undefined) throw new Error(`${given} is no job id`);
  return decoded;
}
