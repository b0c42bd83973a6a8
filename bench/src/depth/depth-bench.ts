import { bigintOid, type Database } from "@galaxy-jobs/shared-db";
import { againstServer } from "../against.ts";
import { Absent, type Bench, type Extent, type Measures, type Subject } from "../bench.ts";
import { makeDatabase, type BenchDatabase } from "../database.ts";
import { percentile } from "../statistics.ts";
import { claimAs, insertFinishedJobs, insertWaitingJobs, registerClaimer } from "../waiting-jobs.ts";

/** Claims of a round, and jobs that each takes. */
const claims = 200;
const batch = 5;

interface Depth {
  readonly name: string;
  readonly finished: number;
  readonly waiting: number;
  readonly deep?: boolean;
}

const depths: readonly Depth[] = [
  { name: "1,000 finished", finished: 1_000, waiting: 0 },
  { name: "100,000 finished", finished: 100_000, waiting: 0 },
  { name: "1,000,000 finished", finished: 1_000_000, waiting: 0 },
  { name: "10,000,000 finished", finished: 10_000_000, waiting: 0, deep: true },
  { name: "1,000,000 waiting", finished: 1_000, waiting: 1_000_000 },
];

/** Made once: filling a table takes far longer than a round. */
const filled = new Map<string, BenchDatabase>();

/** Whether a claim costs the same whatever has gathered in the table. */
export const depthBench: Bench = {
  name: "depth",
  what: `a claim of ${batch} jobs, and one that finds none, with so many finished or waiting jobs in the table`,
  units: { p50: "ms", p99: "ms", empty: "ms" },
  reference: "1,000 finished",
  subjects: depths.map((depth): Subject => ({
    name: depth.name,
    round: (_, extent) => round(depth, extent),
  })),
  async finish() {
    for (const database of filled.values()) await database.drop();
    filled.clear();
  },
  against: againstServer,
};

async function round(depth: Depth, { scale, deep }: Extent): Promise<Measures> {
  if (depth.deep === true && !deep)
    throw new Absent("filling the table takes minutes and 10 GB: with --deep");
  const { sql } = filled.get(depth.name) ?? (await fill(depth, scale));
  const request = await registerClaimer(sql, "handler0", batch);
  if (depth.waiting === 0) await insertWaitingJobs(sql, claims * batch);
  const times: number[] = [];
  const taken: number[] = [];
  for (let claim = 0; claim < claims; claim += 1) {
    const began = performance.now();
    const jobs = await claimAs(sql, request);
    times.push(performance.now() - began);
    if (jobs.length !== batch) throw new Error(`a claim took ${jobs.length} jobs`);
    taken.push(...jobs.map(({ id }) => id));
  }
  await end(sql, taken);
  const measures = { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
  if (depth.waiting > 0) return measures;
  const idle: number[] = [];
  for (let claim = 0; claim < claims; claim += 1) {
    const began = performance.now();
    await claimAs(sql, request);
    idle.push(performance.now() - began);
  }
  return { ...measures, empty: percentile(idle, 0.5) };
}

async function fill({ name, finished, waiting }: Depth, scale: number): Promise<BenchDatabase> {
  const database = await makeDatabase({ migrated: true });
  filled.set(name, database);
  await insertFinishedJobs(database.sql, Math.ceil(finished * scale));
  if (waiting > 0)
    await insertWaitingJobs(database.sql, Math.max(Math.ceil(waiting * scale), 10 * claims * batch));
  await database.sql`vacuum (analyze) job`;
  return database;
}

/** The jobs of a round are finished ones for the next. */
async function end(sql: Database, ids: readonly number[]): Promise<void> {
  await sql`update job set state = 'ok', end_time = now() where id = any(${sql.array([...ids], bigintOid)})`;
}
