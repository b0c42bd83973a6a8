import { answers } from "@galaxy-jobs/handler";
import {
  listHandlers,
  listOperatorActions,
  listPools,
  type HandlerRow,
  type OperatorAction,
} from "@galaxy-jobs/shared-db";
import type { Argv } from "yargs";
import { printRows } from "../output.ts";
import { withDatabase, type CommonArguments } from "../session.ts";
import { drainCommands } from "./drain.ts";
import { reassignCommands } from "./reassign.ts";

const columns = [
  { title: "server name", value: (row: HandlerRow) => row.serverName },
  { title: "status", value: statusOf },
  { title: "host", value: (row: HandlerRow) => row.hostname },
  { title: "pid", value: (row: HandlerRow) => row.pid },
  { title: "tags", value: (row: HandlerRow) => row.tags.join(" ") },
  {
    title: "release/migration",
    value: (row: HandlerRow) => (row.version === null ? "" : `${row.version}/${row.protocol}`),
  },
  {
    title: "heartbeat",
    value: (row: HandlerRow) => (row.heartbeatAge === null ? "" : `${row.heartbeatAge.toFixed(0)} s ago`),
  },
  { title: "assigned", value: (row: HandlerRow) => row.jobsAssigned },
  { title: "claimed", value: (row: HandlerRow) => row.jobsClaimed },
  { title: "queued", value: (row: HandlerRow) => row.jobsQueued },
  { title: "running", value: (row: HandlerRow) => row.jobsRunning },
];

const logColumns = [
  { title: "when", value: (row: OperatorAction) => row.createTime },
  { title: "who", value: (row: OperatorAction) => row.actor },
  { title: "did", value: (row: OperatorAction) => row.action },
  {
    title: "to",
    value: (row: OperatorAction) => row.serverName ?? (row.jobId === null ? "" : `job ${row.jobId}`),
  },
  {
    title: "what came of it",
    value: ({ details }: OperatorAction) =>
      Object.entries(details)
        .map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`)
        .join(", "),
  },
];

export function handlerCommands(parser: Argv<CommonArguments>): Argv {
  const withList = parser
    .command(
      "list",
      "Handlers, their pools and what they have in hand",
      (list) =>
        list.option("all", { type: "boolean", default: false, describe: "Also those that have ended" }),
      (args) =>
        withDatabase(args, async (database, config) => {
          const defined = config.jobs.handlers.map(({ id }) => id);
          printRows(await listHandlers(database, { all: args.all, defined }), columns, args.json === true);
        }),
    )
    .command(
      "log [name]",
      "What administrators did to handlers and jobs, newest first",
      (log) =>
        log
          .positional("name", { type: "string", describe: "Only of this handler" })
          .option("limit", { type: "number", default: 50, describe: "Rows at most" }),
      (args) =>
        withDatabase(args, async (database) => {
          const filter = {
            limit: args.limit,
            ...(args.name === undefined ? {} : { serverName: args.name }),
          };
          printRows(await listOperatorActions(database, filter), logColumns, args.json === true);
        }),
    );
  return reassignCommands(drainCommands(withList)).demandCommand(
    1,
    "handlers: say list, show, drain, resume, reassign, remove or log",
  );
}

function statusOf(row: HandlerRow): string {
  const drained = row.drainTime === null ? "" : `drained since ${row.drainTime.toISOString().slice(0, 16)}`;
  if (answers(row)) return drained === "" ? "live" : drained;
  const gone = row.live
    ? "does not answer"
    : row.endTime === null
      ? "never seen"
      : `ended ${row.endTime.toISOString().slice(0, 16)} (${row.endReason})`;
  return drained === "" ? gone : `${gone}, ${drained}`;
}

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
              value: ({ handlers, drained }) =>
                handlers.length === 0
                  ? "none is live"
                  : handlers.map((name) => (drained.includes(name) ? `${name} (drained)` : name)).join(" "),
            },
          ],
          (args as CommonArguments).json === true,
        );
      }),
    )
    .demandCommand(1, "pools: say list");
}
