import { setTimeout as sleep } from "node:timers/promises";
import type { BenchDatabase } from "../database.ts";
import { makeDatabase } from "../database.ts";
import { startScript } from "../script.ts";
import type { Peer } from "./peer.ts";
import type { PeerWorkerAnswer, PeerWorkerAsk } from "./peer-worker.ts";

export interface DrainOptions {
  readonly jobs: number;
  /** One that takes longer is stopped and its rate so far counts, s. */
  readonly longest: number;
  /** Before the jobs are put in: a held snapshot, dead rows. @returns ends it */
  readonly hinder?: (database: BenchDatabase) => Promise<() => Promise<void>>;
}

/**
 * Two worker processes empty a full queue. The clock runs from the first job's handler to the moment when no job is left in the
 * database, so that batched completions count.
 * @returns jobs a second
 */
export async function drainPeer(peer: Peer, { jobs, longest, hinder }: DrainOptions): Promise<number> {
  const database = await makeDatabase({ migrated: false });
  await peer.install(database.url);
  const free = await hinder?.(database);
  await peer.fill(database, jobs);
  const workers = [0, 1].map(() =>
    startScript<PeerWorkerAsk, PeerWorkerAnswer>(new URL("./peer-worker.js", import.meta.url)),
  );
  try {
    for (const worker of workers) worker.send({ peer: peer.name, url: database.url, many: true });
    const done = [0, 0];
    let began = 0n;
    const follow = async (at: number) => {
      for (;;) {
        const news = await workers[at]!.next();
        if (news.kind !== "progress") continue;
        done[at] = news.jobs;
        if (began === 0n || news.first < began) began = news.first;
        if (done[0]! + done[1]! >= jobs) return;
      }
    };
    const over = new AbortController();
    const late = sleep(longest * 1000, "late", { signal: over.signal }).catch(() => "late");
    const all = workers.map((_, at) => follow(at));
    // One of them never sees the last job.
    for (const following of all) following.catch(() => undefined);
    if ((await Promise.race([...all, late])) !== "late")
      while ((await peer.isBusy(database)) && secondsSince(began) < longest) await sleep(5);
    const seconds = secondsSince(began);
    over.abort();
    return Math.min(done[0]! + done[1]!, jobs) / seconds;
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
    await free?.();
    await database.drop();
  }
}

function secondsSince(began: bigint): number {
  return began === 0n ? Number.POSITIVE_INFINITY : Number(process.hrtime.bigint() - began) / 1e9;
}
