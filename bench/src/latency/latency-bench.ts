import { setTimeout as sleep } from "node:timers/promises";
import {
  channels,
  ensureDefaultHistory,
  ensureUser,
  insertJob,
  notify,
  openLine,
  type Database,
} from "@galaxy-jobs/shared-db";
import { againstServer } from "../against.ts";
import type { Bench, Extent, Measures, Subject } from "../bench.ts";
import { makeDatabase } from "../database.ts";
import { startInstance } from "../instance.ts";
import { submit as post } from "../noop-jobs.ts";
import { againstPeers, peers } from "../peers/peers.ts";
import type { Peer } from "../peers/peer.ts";
import type { PeerWorkerAnswer, PeerWorkerAsk } from "../peers/peer-worker.ts";
import { startScript } from "../script.ts";
import { percentile } from "../statistics.ts";
import { tag } from "../waiting-jobs.ts";

/** One at a time, each when the last is over and all are idle again. */
const jobs = 200;
/** What starts the job: nothing at all, as in the handlers of the peers, or processes of this machine. */
type Runner = "noop" | "local";

/** After the end of a job, ms; so that the next one does not come at a fixed point of anybody's interval. */
const pause = () => 50 + Math.random() * 50;

/** How long a job waits that nobody is in the way of. */
export const latencyBench: Bench = {
  name: "latency",
  what: `idle: from the submission of a job to its state running (peers: to the call of its handler), ${jobs} jobs one at a time`,
  units: { p50: "ms", p99: "ms" },
  reference: "noop runner, row and NOTIFY",
  subjects: [
    { name: "noop runner, row and NOTIFY", round: (_, extent) => ours("row", "noop", extent) },
    { name: "noop runner, POST /api/tools", round: (_, extent) => ours("post", "noop", extent) },
    { name: "local runner, row and NOTIFY", round: (_, extent) => ours("row", "local", extent) },
    { name: "local runner, POST /api/tools", round: (_, extent) => ours("post", "local", extent) },
    ...peers.map((peer): Subject => ({ name: peer.name, round: (_, extent) => theirs(peer, extent) })),
  ],
  against: async () => `${await againstServer()}, one web worker, one handler; ${againstPeers()}`,
};

async function ours(way: "row" | "post", runner: Runner, { scale }: Extent): Promise<Measures> {
  const database = await makeDatabase({ migrated: true });
  const { sql } = database;
  const instance = await startInstance({
    name: "latency",
    web: {},
    handling: { assign: ["db-skip-locked"] },
    handlers: ["handler0"],
    database: database.url,
    ...(runner === "noop" ? { runner: { load: "noop" } } : {}),
  });
  const line = openLine(sql);
  try {
    const submit = way === "row" ? await rowSubmitter(sql, line) : () => post(instance);
    // The first jobs load what later ones find loaded.
    for (let job = 0; job < 5; job += 1) await once(sql, submit);
    const times: number[] = [];
    for (let job = 0; job < Math.ceil(jobs * scale); job += 1) times.push(await once(sql, submit));
    return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
  } finally {
    await line.end({ timeout: 5 });
    await instance.stop();
    await database.drop();
  }
}

/** By the database's clock: the state `running` is written with its time; the submission's is ours, set by the same clock. */
async function once(sql: Database, submit: () => Promise<unknown>): Promise<number> {
  const offset = await clockOffset(sql);
  const [newest] = await sql<{ id: number | null }[]>`select max(id) as id from job`;
  const submitted = performance.now() + offset;
  await submit();
  for (;;) {
    const [job] = await sql<{ running: number | null; state: string }[]>`
      select state, (select extract(epoch from h.create_time)::float8 * 1000 from job_state_history h
        where h.job_id = job.id and h.state = 'running') as running
      from job where id > ${newest!.id ?? 0}`;
    if (job?.state === "ok" && job.running !== null) {
      await sleep(pause());
      return job.running - submitted;
    }
    if (job?.state === "error") throw new Error("the job failed");
    await sleep(10);
  }
}

/** What must be added to `performance.now()` for the database's clock, ms: from the quickest of some questions. */
async function clockOffset(sql: Database): Promise<number> {
  let [offset, quickest] = [0, Number.POSITIVE_INFINITY];
  for (let question = 0; question < 5; question += 1) {
    const asked = performance.now();
    const [row] = await sql<
      { now: number }[]
    >`select extract(epoch from clock_timestamp())::float8 * 1000 as now`;
    const took = performance.now() - asked;
    if (took < quickest) [offset, quickest] = [row!.now - asked - took / 2, took];
  }
  return offset;
}

/** As `SubmitQueue` of packages/web does it: the hint goes behind the job on one connection, and needs no answer of its own. */
async function rowSubmitter(sql: Database, line: Database): Promise<() => Promise<unknown>> {
  const user = await ensureUser(sql, "bench@example.org");
  const history = await ensureDefaultHistory(sql, user.id);
  const job = {
    userId: user.id,
    historyId: history.id,
    toolId: "noop",
    toolVersion: "1.0",
    galaxyVersion: "bench",
    params: {},
    handler: tag,
    assignedHandler: tag,
    inputs: [],
    outputs: [],
  };
  return () => Promise.all([insertJob(line, job), notify(line, channels.newJobs, tag)]);
}

/** One worker process; adding and handling are timed by the machine's monotonic clock. */
async function theirs(peer: Peer, { scale }: Extent): Promise<Measures> {
  const database = await makeDatabase({ migrated: false });
  await peer.install(database.url);
  const worker = startScript<PeerWorkerAsk, PeerWorkerAnswer>(
    new URL("../peers/peer-worker.js", import.meta.url),
  );
  const adder = await peer.adder(database.url);
  try {
    worker.send({ peer: peer.name, url: database.url, many: false });
    await worker.next();
    const times: number[] = [];
    for (let job = -5; job < Math.ceil(jobs * scale); job += 1) {
      const began = process.hrtime.bigint();
      await adder.add();
      const news = await worker.next();
      if (news.kind !== "progress") throw new Error("the worker is not working");
      if (job >= 0) times.push(Number(news.last - began) / 1e6);
      await sleep(pause());
    }
    return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
  } finally {
    await adder.close();
    await worker.end();
    await database.drop();
  }
}
