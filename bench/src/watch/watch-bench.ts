import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { againstServer } from "../against.ts";
import type { Bench, Extent, Measures, Subject } from "../bench.ts";
import { makeDatabase } from "../database.ts";
import { temporaryFolder } from "../folder.ts";
import { makeSite, startHandler } from "../instance.ts";
import { cpuOf, memoryOf } from "../memory/process-memory.ts";
import { leaveRuns } from "./adopted-runs.ts";

const runs = 10_000;
/** What the adoption of so many jobs at once leaves to be collected is not what it costs to watch them, ms. */
const settling = 60_000;
/** Every run is looked at once in so many seconds, so that is measured at least. */
const rotation = 30;

/** What it costs a handler to have very many jobs under way. */
export const watchBench: Bench = {
  name: "watch",
  what: `${runs} running jobs in one handler, and none: CPU and memory of the handler over ${rotation} s or more`,
  units: { cpu: "% of a core", rss: "MB" },
  reference: "none",
  subjects: [
    { name: "none", count: 0 },
    { name: "10,000 running", count: runs },
  ].map(({ name, count }): Subject => ({ name, round: (seconds, extent) => round(count, seconds, extent) })),
  against: async () => `${await againstServer()}, runs of the local runner that an earlier process left`,
};

async function round(count: number, seconds: number, { scale }: Extent): Promise<Measures> {
  const database = await makeDatabase({ migrated: true });
  const folder = await temporaryFolder("runs");
  const root = join(folder.path, "runs");
  const site = await makeSite({
    handling: { assign: ["db-skip-locked"] },
    handlers: ["handler0"],
    database: database.url,
    galaxy: { job_working_directory: root },
  });
  const wanted = Math.ceil(count * scale);
  const endRuns = wanted === 0 ? undefined : await leaveRuns(database.sql, root, wanted);
  try {
    const handler = await startHandler(site, "handler0");
    while (wanted > 0 && (await adopted(database.sql)) < wanted) await sleep(200);
    await sleep(scale < 1 ? 1_000 : settling);
    const time = scale < 1 ? seconds : Math.max(seconds, rotation);
    const before = await cpuOf(handler.pid);
    const began = performance.now();
    await sleep(time * 1000);
    const used = (await cpuOf(handler.pid)) - before;
    const took = (performance.now() - began) / 1000;
    const { rss } = await memoryOf(handler.pid);
    if (wanted > 0 && (await adopted(database.sql)) !== wanted) throw new Error("some runs ended");
    await handler.end();
    return { cpu: (used / took) * 100, rss };
  } finally {
    await endRuns?.();
    await site.remove();
    await folder.remove();
    await database.drop();
  }
}

/** Jobs that run under a live incarnation. */
async function adopted(sql: Parameters<typeof leaveRuns>[0]): Promise<number> {
  const [row] = await sql<{ jobs: number }[]>`
    select count(*)::int as jobs from job join handler_incarnation h on h.id = job.incarnation_id
    where h.end_time is null and job.state = 'running'`;
  return row!.jobs;
}
