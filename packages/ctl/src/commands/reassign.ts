import { reassign, remove } from "@galaxy-jobs/handler";
import type { Argv } from "yargs";
import { operator } from "../operator.ts";
import { withDatabase, type CommonArguments } from "../session.ts";

export function reassignCommands<T extends CommonArguments>(parser: Argv<T>): Argv<T> {
  return parser
    .command(
      "reassign <name>",
      "Give the jobs of a handler, dead or alive, to another one or back to a pool",
      (command) =>
        command
          .positional("name", { type: "string", demandOption: true, describe: "Whose jobs" })
          .option("to", { type: "string", requiresArg: true, describe: "The handler that gets them" })
          .option("to-pool", {
            type: "string",
            requiresArg: true,
            describe: "The pool that gets them: job-handlers, or job-handlers.TAG",
          })
          .option("started", {
            type: "boolean",
            default: false,
            describe: "Hand over the jobs under way too; their processes go on",
          })
          .conflicts("to", "to-pool")
          .check(({ to, toPool }) => {
            if ((to ?? toPool) === undefined)
              throw new Error("say who gets the jobs: --to HANDLER, or --to-pool job-handlers");
            return true;
          }),
      (args) =>
        withDatabase(args, async (database, config) => {
          const result = await reassign(database, config, {
            serverName: args.name,
            actor: operator(),
            to: args.to === undefined ? { pool: args.toPool! } : { handler: args.to },
            started: args.started,
          });
          if (args.json === true) {
            process.stdout.write(`${JSON.stringify({ serverName: args.name, ...result }, undefined, 2)}\n`);
            return;
          }
          process.stdout.write(`${result.moved} jobs are ${result.to}'s now\n`);
          if (args.started)
            process.stdout.write(`${result.offered} jobs under way are offered to ${result.to}\n`);
          for (const note of result.notes) process.stdout.write(`note: ${note}\n`);
        }),
    )
    .command(
      "remove <name>",
      "Forget a handler that has ended and whose jobs are done",
      (command) => command.positional("name", { type: "string", demandOption: true }),
      (args) =>
        withDatabase(args, async (database, config) => {
          const notes = await remove(database, config, { serverName: args.name, actor: operator() });
          if (args.json === true) {
            process.stdout.write(
              `${JSON.stringify({ serverName: args.name, removed: true, notes }, undefined, 2)}\n`,
            );
            return;
          }
          process.stdout.write(`${args.name} is removed\n`);
          for (const note of notes) process.stdout.write(`note: ${note}\n`);
        }),
    ) as unknown as Argv<T>;
}
