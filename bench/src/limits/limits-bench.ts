import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Measures, Subject } from "../bench.ts";
import { againstThisRelease } from "../against.ts";
import { startInstance, type Instance, type Strategy } from "../instance.ts";
import { jobsEnded, submit } from "../noop-jobs.ts";

/** Jobs that each round runs: all wait when the clock starts. */
const jobs = 300;

const limits: Readonly<Record<string, Strategy["limits"]>> = {
  "no limit": [],
  user: [{ type: "registered_user_concurrent_jobs", value: 8 }],
  destination: [{ type: "destination_total_concurrent_jobs", id: "local", value: 8 }],
  "user, destination, both": [
    { type: "registered_user_concurrent_jobs", value: 8 },
    { type: "destination_total_concurrent_jobs", id: "local", value: 8 },
    { type: "destination_user_concurrent_jobs", id: "local", value: 8 },
  ],
};

/** What limits cost: two handlers race for as many slots as they have workers, so a limit refuses nothing and is always asked. */
export const limitsBench: Bench = {
  name: "limits",
  what: `${jobs} jobs of /bin/true through two handlers of four workers each, with limits of eight jobs at once`,
  units: { jobs: "jobs/s" },
  reference: "no limit",
  subjects: Object.entries(limits).map(([name, own]): Subject => ({
    name,
    round: () =>
      round({
        name,
        web: {},
        handling: { assign: ["db-skip-locked"] },
        handlers: ["handler0", "handler1"],
        workers: 4,
        ...(own === undefined ? {} : { limits: own }),
      }),
  })),
  against: () => `${againstThisRelease()}, the local runner`,
};

async function round(strategy: Strategy): Promise<Measures> {
  const instance = await startInstance(strategy);
  try {
    await lock(instance, true);
    for (let submitted = 0; submitted < jobs; submitted += 10)
      await Promise.all(Array.from({ length: 10 }, () => submit(instance)));
    const began = performance.now();
    await lock(instance, false);
    while ((await jobsEnded(instance)) < jobs) await sleep(50);
    return { jobs: jobs / ((performance.now() - began) / 1000) };
  } finally {
    await instance.stop();
  }
}

async function lock({ address }: Instance, active: boolean): Promise<void> {
  const response = await fetch(`${address}/api/job_lock`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ active }),
    signal: AbortSignal.timeout(60_000),
  });
  if (!response.ok) throw new Error(`PUT /api/job_lock: ${response.status} ${await response.text()}`);
}
