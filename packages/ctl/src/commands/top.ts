import type { WebConfig } from "@galaxy-jobs/runtime";
import { Loop } from "@galaxy-jobs/runtime";
import type { Database } from "@galaxy-jobs/shared-db";
import type { Argv } from "yargs";
import { withDatabase, type CommonArguments } from "../session.ts";
import { draw } from "../top/draw.ts";
import { parseStatsAddress, type StatsAddress } from "../top/read-stats.ts";
import { Screen } from "../top/screen.ts";
import { takeSnapshot, type Snapshot } from "../top/snapshot.ts";

type TopArguments = CommonArguments & { stats?: string; interval: number; once?: boolean };

export function topCommand(parser: Argv<CommonArguments>): Argv {
  return parser.command(
    "top",
    "Web workers, mules, handlers and jobs, live; q quits. Without a terminal: once",
    (top) =>
      top
        .option("stats", {
          type: "string",
          requiresArg: true,
          describe: "The stats socket, host:port or a path; default: the web tier's option stats",
        })
        .option("interval", { alias: "d", type: "number", default: 2, describe: "Seconds between two looks" })
        .option("once", { type: "boolean", describe: "One look, and no more" })
        .check(({ interval }) => {
          if (interval >= 0.1 && interval <= 3600) return true;
          throw new Error("--interval must be between 0.1 and 3600 seconds");
        }),
    (args) => run(args as unknown as TopArguments),
  );
}

async function run(args: TopArguments): Promise<void> {
  const given = args.stats === undefined ? undefined : parseStatsAddress(args.stats);
  await withDatabase(args, async (database, config) => {
    const { stats } = config.web as WebConfig & { readonly stats?: StatsAddress };
    const address = given ?? stats;
    if (args.json === true) {
      process.stdout.write(`${JSON.stringify(await takeSnapshot(database, address), undefined, 2)}\n`);
    } else if (args.once === true || !process.stdout.isTTY) {
      process.stdout.write(`${draw(await takeSnapshot(database, address), undefined).join("\n")}\n`);
    } else await live(database, address, args.interval);
  });
}

async function live(database: Database, address: StatsAddress | undefined, interval: number): Promise<void> {
  let before: Snapshot | undefined;
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  // Ctrl-C is a key here, since the terminal is in raw mode.
  const screen = new Screen(process.stdin, process.stdout, (key) => {
    if (key === "q" || key === "Q" || key === "\u0003") end();
    else loop.wake();
  });
  const loop = new Loop({
    name: "top",
    async work() {
      const now = await takeSnapshot(database, address);
      screen.show(draw(now, before));
      before = now;
      return interval * 1000;
    },
    onError: (error) =>
      screen.show([`galaxyctl top: ${error instanceof Error ? error.message : String(error)}`]),
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
  try {
    await loop.start();
    await ended;
  } finally {
    screen.close();
    // Not awaited: a database that hangs must not hold up the end; leaving it breaks off the round under way.
    void loop.stop();
  }
}
