import { setTimeout as sleep } from "node:timers/promises";
import {
  drain,
  knownHandler,
  remainingWork,
  resume,
  type ExpectedJob,
  type RemainingWork,
} from "@galaxy-jobs/handler";
import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import type { Database } from "@galaxy-jobs/shared-db";
import type { Argv } from "yargs";
import { duration } from "../durations.ts";
import { operator } from "../operator.ts";
import { cell, printRows } from "../output.ts";
import { withDatabase, type CommonArguments } from "../session.ts";

/** The status of a command that did what it was asked, and whose wait was over before the end. */
const waitedInVain = 3;
/** Between two looks of `--wait`, ms. */
const lookInterval = 1000;

const jobColumns = [
  { title: "job", value: (job: ExpectedJob) => job.id },
  { title: "tool", value: (job: ExpectedJob) => job.toolId },
  { title: "state", value: (job: ExpectedJob) => (job.held ? job.state : `${job.state}, not taken`) },
  { title: "user", value: (job: ExpectedJob) => job.userEmail },
  { title: "elapsed", value: (job: ExpectedJob) => duration(job.elapsed) },
  {
    title: "usually ends in",
    value: (job: ExpectedJob) => (job.remaining === null ? "" : duration(job.remaining)),
  },
  { title: "offered to", value: (job: ExpectedJob) => job.handedTo },
  { title: "waits for", value: (job: ExpectedJob) => job.waitReason },
];

export function drainCommands<T extends CommonArguments>(parser: Argv<T>): Argv<T> {
  return parser
    .command(
      "show <name>",
      "What a handler still has to do, and how long that usually takes",
      (show) => show.positional("name", { type: "string", demandOption: true }),
      (args) =>
        withDatabase(args, (database, config) => show(database, config, args.name, args.json === true)),
    )
    .command(
      "drain <name>",
      "Take nothing new from now on, live and over restarts; what was not started goes back",
      (command) =>
        command
          .positional("name", { type: "string", demandOption: true })
          .option("wait", { type: "boolean", default: false, describe: "Wait until its jobs have ended" })
          .option("timeout", {
            type: "number",
            requiresArg: true,
            describe: `Seconds to wait at most; then the status is ${waitedInVain}`,
          })
          .check(({ timeout, wait }) => {
            if (timeout !== undefined && !wait) throw new Error("--timeout goes with --wait");
            if (timeout !== undefined && !(timeout >= 0))
              throw new Error("--timeout: write seconds, such as 600");
            return true;
          }),
      (args) =>
        withDatabase(args, async (database, config) => {
          const drained = await drain(database, config, { serverName: args.name, actor: operator() });
          const work = args.wait
            ? await untilEmpty(database, args.name, args.timeout, args.json === true)
            : await remainingWork(database, args.name);
          const held = work.jobs.filter((job) => job.held);
          if (args.wait && held.length > 0) process.exitCode = waitedInVain;
          if (args.json === true) {
            const { changed, drainTime, drainedBy, jobs: givenBack } = drained;
            printJson({ serverName: args.name, changed, drainTime, drainedBy, givenBack, remaining: work });
            return;
          }
          say(
            drained.changed
              ? `${args.name} takes nothing new`
              : `${args.name} is drained since ${drained.drainTime.toISOString()} (${drained.drainedBy})`,
          );
          if (drained.jobs > 0) say(`${drained.jobs} jobs that it had not started went back`);
          say(summary(work));
        }),
    )
    .command(
      "resume <name>",
      "Take jobs again",
      (command) => command.positional("name", { type: "string", demandOption: true }),
      (args) =>
        withDatabase(args, async (database, config) => {
          await resume(database, config, { serverName: args.name, actor: operator() });
          if (args.json === true) printJson({ serverName: args.name, drained: false });
          else say(`${args.name} takes jobs again`);
        }),
    ) as unknown as Argv<T>;
}

async function show(database: Database, config: GalaxyConfig, name: string, json: boolean): Promise<void> {
  const handler = await knownHandler(database, config, name);
  const work = await remainingWork(database, name);
  if (json) return printJson({ ...handler, remaining: work });
  const facts: Record<string, unknown> = {
    "server name": handler.serverName,
    process:
      handler.pid === null
        ? "never seen"
        : `${handler.pid} on ${handler.hostname}, version ${handler.version}`,
    tags: handler.tags.join(" "),
    started: handler.startTime?.toISOString(),
    heartbeat: handler.live ? `${handler.heartbeatAge?.toFixed(0)} s ago` : undefined,
    ended: handler.endTime === null ? undefined : `${handler.endTime.toISOString()} (${handler.endReason})`,
    drained:
      handler.drainTime === null
        ? undefined
        : `since ${handler.drainTime.toISOString()} by ${handler.drainedBy}`,
  };
  for (const [key, value] of Object.entries(facts))
    if (value !== undefined && value !== "") say(`${key.padEnd(12)} ${cell(value)}`);
  say(summary(work));
  if (work.jobs.length > 0) printRows(work.jobs, jobColumns, false);
}

/** Waits until a handler holds no job; says on standard error what remains, each time that it changes. */
async function untilEmpty(
  database: Database,
  name: string,
  timeout: number | undefined,
  quiet: boolean,
): Promise<RemainingWork> {
  const end = timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeout * 1000;
  let said: number | undefined;
  for (;;) {
    const work = await remainingWork(database, name);
    const held = work.jobs.filter((job) => job.held).length;
    if (held === 0 || performance.now() >= end) return work;
    if (held !== said && !quiet) process.stderr.write(`${summary(work)}\n`);
    said = held;
    await sleep(Math.min(lookInterval, end - performance.now()));
  }
}

function summary({ jobs, truncated, emptyIn, unknown, stuck }: RemainingWork): string {
  const held = jobs.length - stuck;
  const parts: string[] = [];
  if (held === 0) parts.push("it has no job in hand");
  else {
    const usually = emptyIn === null ? "" : `, usually empty in ${duration(emptyIn)}`;
    const or = unknown === 0 ? "" : `, ${unknown} of them of unknown length`;
    parts.push(`${truncated ? "more than " : ""}${held} jobs in hand${usually}${or}`);
  }
  if (stuck > 0) parts.push(`${stuck} jobs wait for it alone (galaxyctl handlers reassign moves them)`);
  return parts.join("; ");
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
