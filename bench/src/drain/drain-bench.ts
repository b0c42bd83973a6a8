import { againstThisRelease } from "../against.ts";
import type { Bench } from "../bench.ts";
import { drainGalaxyJobs } from "./galaxy-jobs.ts";
import { drainHandWritten } from "./hand-written.ts";

/** Jobs that each round runs: all wait when the clock starts. */
export const jobs = 100_000;

/** How many jobs pass through two handlers when the jobs themselves take no time. */
export const drainBench: Bench = {
  name: "drain",
  what: `${jobs} jobs that do nothing, through new, queued, running and ok, with two handlers`,
  units: { jobs: "jobs/s", "handlers-cpu": "µs/job", "server-cpu": "µs/job" },
  reference: "hand-written",
  subjects: [
    { name: "hand-written", round: () => drainHandWritten(jobs) },
    { name: "galaxy-jobs", round: () => drainGalaxyJobs(jobs) },
  ],
  against: () => `${againstThisRelease()}; hand-written: two clients, narrow tables, batches of 500`,
};
