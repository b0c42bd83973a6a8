import type { Argv } from "yargs";
import { listHandlers, listPools } from "@galaxy-jobs/shared-db";
import { printRows } from "../output.ts";
import { withDatabase, type CommonArguments } from "../session.ts";

export function handlerCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command("list", "Live handlers, their pools and what they have in hand", {}, (args) =>
      withDatabase(args as CommonArguments, async (database) => {
        const columns = [
          { title: "server name", value: (row: HandlerListing) => row.serverName },
          { title: "host", value: (row: HandlerListing) => row.hostname },
          { title: "pid", value: (row: HandlerListing) => row.pid },
          { title: "tags", value: (row: HandlerListing) => row.tags.join(" ") },
          { title: "heartbeat", value: (row: HandlerListing) => `${row.heartbeatAge.toFixed(0)} s ago` },
          { title: "claimed", value: (row: HandlerListing) => row.jobsClaimed },
          { title: "queued", value: (row: HandlerListing) => row.jobsQueued },
          { title: "running", value: (row: HandlerListing) => row.jobsRunning },
        ];
        printRows(await listHandlers(database), columns, (args as CommonArguments).json === true);
      }),
    )
    .demandCommand(1, "handlers: say list");
}

type HandlerListing = Awaited<ReturnType<typeof listHandlers>>[number];

export function poolCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command("list", "Pools with their live handlers and the jobs that wait in them", {}, (args) =>
      withDatabase(args as CommonArguments, async (database) => {
        const pools = await listPools(database);
        printRows(
          pools,
          [
            { title: "tag", value: (row) => row.tag },
            { title: "jobs waiting", value: (row) => row.jobsWaiting },
            {
              title: "handlers",
              value: (row) => (row.handlers.length === 0 ? "none is live" : row.handlers.join(" ")),
            },
          ],
          (args as CommonArguments).json === true,
        );
      }),
    )
    .demandCommand(1, "pools: say list");
}
