import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@galaxy-jobs/shared-db";
import { againstServer } from "../against.ts";
import type { Bench, Extent, Measures, Subject } from "../bench.ts";
import { makeDatabase } from "../database.ts";
import { beginHandler, makeSite, startInstance } from "../instance.ts";
import { submit } from "../noop-jobs.ts";
import { againstPeers, peers } from "../peers/peers.ts";
import type { Peer } from "../peers/peer.ts";
import type { PeerWorkerAnswer, PeerWorkerAsk } from "../peers/peer-worker.ts";
import { startScript } from "../script.ts";
import { insertWaitingJobs } from "../waiting-jobs.ts";
import { cpuOf, memoryOf, type ProcessMemory } from "./process-memory.ts";

/** After its start a process is left alone for so long, ms. */
const settling = 20_000;
const jobs = 300;
/** No-op jobs, which are over at once. */
const jobsOfPeers = 20_000;

/** What the processes take when they have nothing to do, and the most when they have much; and how soon a handler is there. */
export const memoryBench: Bench = {
  name: "memory",
  what: `memory of each process ${settling / 1000} s after its start and at most during ${jobs} jobs (peers: ${jobsOfPeers}); start of a handler to its first claim`,
  units: { idle: "MB", "idle-pss": "MB", loaded: "MB", start: "ms", "start-cpu": "ms" },
  reference: "handler",
  subjects: [
    { name: "handler", round: (_, extent) => ours(1, extent) },
    { name: "web", round: (_, extent) => ours(0, extent) },
    { name: "handler, from nothing", round: () => firstClaim() },
    ...peers.map((peer): Subject => ({
      name: `${peer.name} worker`,
      round: (_, extent) => theirs(peer, extent),
    })),
  ],
  against: async () =>
    `${await againstServer()}, one web worker, one handler, the local runner; ${againstPeers()}`,
};

/** @param which of the instance's programs */
async function ours(which: 0 | 1, { scale }: Extent): Promise<Measures> {
  const database = await makeDatabase({ migrated: true });
  const instance = await startInstance({
    name: "memory",
    web: {},
    handling: { assign: ["db-skip-locked"] },
    handlers: ["handler0"],
    database: database.url,
  });
  try {
    const { pid } = instance.programs[which]!;
    await sleep(settling);
    const idle = await memoryOf(pid);
    const count = Math.ceil(jobs * scale);
    for (let submitted = 0; submitted < count; submitted += 10)
      await Promise.all(Array.from({ length: Math.min(10, count - submitted) }, () => submit(instance)));
    while (await anyUnderWay(database.sql)) await sleep(100);
    return measures(idle, await memoryOf(pid));
  } finally {
    await instance.stop();
    await database.drop();
  }
}

async function anyUnderWay(sql: Database): Promise<boolean> {
  return (await sql`select 1 from job where state not in ('ok', 'error') limit 1`).length > 0;
}

/** A job waits; the handler starts on a database that is there. */
async function firstClaim(): Promise<Measures> {
  const database = await makeDatabase({ migrated: true });
  const site = await makeSite({
    handling: { assign: ["db-skip-locked"] },
    handlers: ["handler0"],
    database: database.url,
  });
  try {
    await insertWaitingJobs(database.sql, 1);
    const began = performance.now();
    const handler = beginHandler(site, "handler0");
    while ((await database.sql`select 1 from job where incarnation_id is not null`).length === 0)
      await sleep(2);
    const start = performance.now() - began;
    const cpu = (await cpuOf(handler.pid)) * 1000;
    while (await anyUnderWay(database.sql)) await sleep(20);
    await handler.end();
    return { start, "start-cpu": cpu };
  } finally {
    await site.remove();
    await database.drop();
  }
}

async function theirs(peer: Peer, { scale }: Extent): Promise<Measures> {
  const database = await makeDatabase({ migrated: false });
  await peer.install(database.url);
  const worker = startScript<PeerWorkerAsk, PeerWorkerAnswer>(
    new URL("../peers/peer-worker.js", import.meta.url),
  );
  try {
    worker.send({ peer: peer.name, url: database.url, many: true });
    await worker.next();
    await sleep(settling);
    const idle = await memoryOf(worker.pid);
    await peer.fill(database, Math.ceil(jobsOfPeers * scale));
    while (await peer.isBusy(database)) await sleep(100);
    return measures(idle, await memoryOf(worker.pid));
  } finally {
    await worker.end();
    await database.drop();
  }
}

function measures(idle: ProcessMemory, loaded: ProcessMemory): Measures {
  return { idle: idle.rss, "idle-pss": idle.pss, loaded: loaded.peak };
}
