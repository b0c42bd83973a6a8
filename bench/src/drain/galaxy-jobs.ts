import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  addressOf,
  channels,
  notify,
  writeJobLock,
  type Database,
  type DatabaseAddress,
} from "@galaxy-jobs/shared-db";
import type { Measures } from "../bench.ts";
import { start, type Running } from "../instance.ts";
import { insertWaitingJobs } from "../waiting-jobs.ts";
import { cpuTimeOf, parentOf } from "./cpu-time.ts";
import { settle, startDrainServer } from "./drain-server.ts";

const handlers = ["handler0", "handler1"];

/**
 * Real handlers with the noop runner; everything else is as in an instance. The clock runs, on the database's side, from the
 * lifting of the job lock to the last `ok`.
 * @param hinder makes it harder, before the jobs are put in; returns what ends that
 * @returns jobs a second, and the microseconds of a core that a job took in the handlers and in the server
 */
export async function drainGalaxyJobs(
  jobs: number,
  hinder?: (server: {
    readonly sql: Database;
    readonly address: DatabaseAddress;
  }) => Promise<() => Promise<void>>,
): Promise<Measures> {
  const server = await startDrainServer(true);
  const { database, folder } = server;
  const running: Running[] = [];
  let free: (() => Promise<void>) | undefined;
  try {
    await writeJobLock(database, true);
    free = await hinder?.({ sql: database, address: addressOf(database) });
    await insertWaitingJobs(database, jobs);
    await settle(database);
    const config = await writeDrainConfig(folder);
    for (const name of handlers) {
      const handler = start("handler", [
        "-c",
        config,
        "--server-name",
        name,
        "--attach-to-pool",
        "job-handlers",
      ]);
      running.push(handler);
      await untilRegistered(database, name, handler.lines);
    }
    const [began] = await database<
      { now: Date; pid: number }[]
    >`select clock_timestamp() as now, pg_backend_pid() as pid`;
    const postmaster = parentOf(began!.pid);
    const spent = () => ({
      handlers: running.reduce((sum, { pid }) => sum + cpuTimeOf(pid), 0),
      server: cpuTimeOf(postmaster),
    });
    const before = spent();
    await writeJobLock(database, false);
    await notify(database, channels.newJobs, "_default_");
    while (await isBusy(database)) await sleep(100);
    const after = spent();
    return {
      jobs: jobs / (await secondsSince(database, began!.now, jobs)),
      "handlers-cpu": ((after.handlers - before.handlers) * 1000) / jobs,
      "server-cpu": ((after.server - before.server) * 1000) / jobs,
    };
  } finally {
    for (const handler of running) await handler.end();
    await free?.();
    await server.stop();
  }
}

async function writeDrainConfig(folder: string): Promise<string> {
  await mkdir(join(folder, "tools"));
  await writeFile(
    join(folder, "tools", "noop.yml"),
    'class: GalaxyUserTool\nid: noop\nname: noop\nversion: "1.0"\nshell_command: "true"\ninputs: []\noutputs: []\n',
  );
  const galaxy = {
    data_dir: join(folder, "database"),
    tool_path: join(folder, "tools"),
    // One line for each change of a job's state is for instances whose jobs last longer than no time.
    log_level: "warn",
    job_config: {
      runners: { noop: { load: "noop", workers: 1500 } },
      handling: { assign: ["db-skip-locked"], ready_window_size: 500 },
      execution: { default: "noop", environments: { noop: { runner: "noop" } } },
    },
  };
  const config = join(folder, "galaxy.yml");
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ galaxy }));
  return config;
}

async function untilRegistered(database: Database, name: string, lines: readonly string[]): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const rows =
      await database`select from handler_incarnation where server_name = ${name} and end_time is null`;
    if (rows.length === 1) return;
    await sleep(100);
  }
  throw new Error(`${name} did not start:\n${lines.join("\n")}`);
}

/** The last job is looked at first: to look at all of them takes a core where there are many dead rows. */
async function isBusy(database: Database): Promise<boolean> {
  const [last] = await database<{ state: string }[]>`select state from job order by id desc limit 1`;
  if (last!.state !== "ok") return true;
  const [row] = await database<{ busy: boolean }[]>`
    select exists (select from job where state in ('new', 'queued', 'running')) as busy`;
  return row!.busy;
}

/** @throws Error unless every job went its whole way */
async function secondsSince(database: Database, began: Date, jobs: number): Promise<number> {
  const [row] = await database<{ ends: number; changes: number; seconds: number }[]>`
    select count(*) filter (where state = 'ok')::int as ends, count(*)::int as changes,
      extract(epoch from max(create_time) - ${began})::float8 as seconds
    from job_state_history`;
  if (row!.ends !== jobs || row!.changes !== 4 * jobs)
    throw new Error(`${row!.ends} of ${jobs} jobs ended, with ${row!.changes} changes of state`);
  return row!.seconds;
}
