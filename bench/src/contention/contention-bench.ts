import { againstServer } from "../against.ts";
import type { Bench, Extent, Measures, Subject } from "../bench.ts";
import { makeDatabase } from "../database.ts";
import { startScript } from "../script.ts";
import { insertWaitingJobs, registerClaimer } from "../waiting-jobs.ts";
import type { ClaimWorkerAnswer, ClaimWorkerAsk } from "./claim-worker.ts";

const jobs = 50_000;
/** Jobs that one claim takes at most. */
const batch = 25;
const processes = 4;

/** Whether handlers of one pool are in each other's way. */
export const contentionBench: Bench = {
  name: "contention",
  what: `${jobs} jobs of one pool claimed in batches of ${batch} by 1 to 64 handlers at once, in ${processes} processes`,
  units: { claims: "claims/s", rows: "jobs/s", duplicates: "" },
  reference: "1 handler",
  subjects: [1, 2, 4, 8, 16, 32, 64].map((handlers): Subject => ({
    name: handlers === 1 ? "1 handler" : `${handlers} handlers`,
    round: (seconds, extent) => round(handlers, seconds, extent),
  })),
  against: againstServer,
};

async function round(handlers: number, seconds: number, { scale }: Extent): Promise<Measures> {
  const database = await makeDatabase({ migrated: true });
  const workers = Array.from({ length: Math.min(handlers, processes) }, () =>
    startScript<ClaimWorkerAsk, ClaimWorkerAnswer>(new URL("./claim-worker.js", import.meta.url)),
  );
  try {
    await insertWaitingJobs(database.sql, Math.ceil(jobs * scale));
    await database.sql`vacuum (analyze) job`;
    const requests = [];
    for (let at = 0; at < handlers; at += 1)
      requests.push(await registerClaimer(database.sql, `handler${at}`, batch));
    for (const [at, worker] of workers.entries()) {
      const own = requests.filter((_, index) => index % workers.length === at);
      worker.send({ kind: "connect", address: database.address, handlers: own });
      await worker.next();
    }
    for (const worker of workers) worker.send({ kind: "claim", longest: seconds });
    const answers = await Promise.all(workers.map((worker) => worker.next()));
    const done = answers.filter((answer) => answer.kind === "claimed");
    const ids = done.flatMap((answer) => answer.ids);
    const began = done.map((answer) => answer.began).reduce((a, b) => (a < b ? a : b));
    const ended = done.map((answer) => answer.ended).reduce((a, b) => (a > b ? a : b));
    const took = Number(ended - began) / 1e9;
    const claims = done.reduce((sum, answer) => sum + answer.claims, 0);
    const duplicates = ids.length - new Set(ids).size;
    if (duplicates > 0) throw new Error(`${duplicates} jobs were claimed twice`);
    return { claims: claims / took, rows: ids.length / took, duplicates };
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
    await database.drop();
  }
}
