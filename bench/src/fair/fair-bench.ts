import { againstServer } from "../against.ts";
import type { Bench, Extent, Measures, Subject } from "../bench.ts";
import { makeDatabase } from "../database.ts";
import { claimAs, insertWaitingJobs, registerClaimer } from "../waiting-jobs.ts";

const jobs = 100_000;
const batch = 25;

/** How long one job of one user waits behind the many of another. */
export const fairBench: Bench = {
  name: "fair",
  what: `one job, submitted when so many of another user wait; claimed in batches of ${batch}`,
  units: { before: "jobs before it", time: "ms to its claim" },
  reference: "none",
  subjects: [
    { name: "none", others: 0 },
    { name: "100,000", others: jobs },
  ].map(({ name, others }): Subject => ({ name, round: (_, extent) => round(others, extent) })),
  against: againstServer,
};

async function round(others: number, { scale }: Extent): Promise<Measures> {
  const database = await makeDatabase({ migrated: true });
  const { sql } = database;
  try {
    const request = await registerClaimer(sql, "handler0", batch);
    if (others > 0) await insertWaitingJobs(sql, Math.ceil(others * scale), { user: "many@example.org" });
    await sql`vacuum (analyze) job`;
    const wanted = await insertWaitingJobs(sql, 1, { user: "one@example.org" });
    const began = performance.now();
    for (let before = 0; ;) {
      const claimed = await claimAs(sql, request);
      const at = claimed.findIndex(({ id }) => id === wanted);
      if (at >= 0) return { before: before + at, time: performance.now() - began };
      if (claimed.length === 0) throw new Error("the job was not claimed");
      before += claimed.length;
    }
  } finally {
    await database.drop();
  }
}
