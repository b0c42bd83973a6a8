import type { Argv } from "yargs";
import { migrate, migrationStatus, passOverLostNames } from "@galaxy-jobs/shared-db";
import { withDatabase, type CommonArguments } from "../session.ts";
import { showHealth } from "./db-health.ts";

export function dbCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command(
      "migrate",
      "Bring the database to this release's schema; handlers may work meanwhile",
      (command) =>
        command.option("patience", {
          type: "number",
          default: 120,
          describe: "Seconds to try to get the locks of a migration",
        }),
      (args) =>
        withDatabase(args as CommonArguments, async (database) => {
          const applied = await migrate(database, { lockPatience: args.patience });
          process.stdout.write(applied.length === 0 ? "nothing to do\n" : `applied ${applied.join(", ")}\n`);
        }),
    )
    .command("status", "Show the schema's version, and what is pending", {}, (args) =>
      withDatabase(args as CommonArguments, async (database) => {
        const status = await migrationStatus(database);
        if ((args as CommonArguments).json === true)
          process.stdout.write(`${JSON.stringify(status, undefined, 2)}\n`);
        else {
          process.stdout.write(
            `the database is at ${status.current}, this release brings ${status.latest}\n`,
          );
          for (const name of status.pending) process.stdout.write(`pending: ${name}\n`);
          if (status.current > status.latest)
            process.stdout.write(
              status.usable
                ? "what is newer says that this release can work on it\n"
                : "this release cannot work on it: use one that is as new as the database\n",
            );
        }
        // A script can ask: 0 only when this release can work on the database as it is.
        if (!status.usable) process.exitCode = 1;
      }),
    )
    .command(
      "health",
      "Show old snapshots, dead rows and index sizes, with advice; ends with 1 when there is a problem",
      (command) =>
        command.option("older-than", {
          type: "number",
          default: 600,
          describe: "Seconds for which a snapshot may be held",
        }),
      (args) =>
        withDatabase(args as CommonArguments, async (database) => {
          const { json = false, olderThan } = args as CommonArguments & { readonly olderThan: number };
          if (!(olderThan >= 0)) throw new Error("--older-than: say a number of seconds");
          if (!(await showHealth(database, { json, oldSnapshot: olderThan }))) process.exitCode = 1;
        }),
    )
    .command(
      "restored",
      "After the restore of a backup, before the first start: new jobs get ids that nothing had before",
      (command) =>
        command.option("gap", {
          type: "number",
          default: 1_000_000,
          describe: "More jobs than were made between the backup and the restore",
        }),
      (args) =>
        withDatabase(args as CommonArguments, async (database) => {
          if (!Number.isSafeInteger(args.gap) || args.gap < 1)
            throw new Error("--gap: expected a whole number, 1 or more");
          const { nextJob, unfinished } = await passOverLostNames(database, args.gap);
          process.stdout.write(`new jobs begin at ${nextJob}; ${unfinished} jobs had not ended\n`);
        }),
    )
    .demandCommand(1, "db: say migrate, status, health or restored");
}
