import { againstThisRelease } from "../against.ts";
import type { Bench, Extent, Subject } from "../bench.ts";
import { drainPeer } from "../peers/drain-peer.ts";
import { againstPeers, peers } from "../peers/peers.ts";
import { drainGalaxyJobs } from "./galaxy-jobs.ts";
import { drainHandWritten } from "./hand-written.ts";

/** Jobs that each round runs: all wait when the clock starts. */
export const jobs = 100_000;
/** A peer that takes longer is stopped, and its rate so far counts, s. */
const longest = 60;

/** How many jobs pass through two handlers when the jobs themselves take no time. */
export const drainBench: Bench = {
  name: "drain",
  what: `${jobs} jobs that do nothing, through new, queued, running and ok, with two handlers`,
  units: { jobs: "jobs/s", "handlers-cpu": "µs/job", "server-cpu": "µs/job" },
  reference: "hand-written",
  subjects: [
    { name: "hand-written", round: (_: number, extent: Extent) => drainHandWritten(count(extent)) },
    { name: "galaxy-jobs", round: (_: number, extent: Extent) => drainGalaxyJobs(count(extent)) },
    ...peers.map((peer): Subject => ({
      name: peer.name,
      round: async (_, extent) => ({ jobs: await drainPeer(peer, { jobs: count(extent), longest }) }),
    })),
  ],
  against: () =>
    `${againstThisRelease()}; hand-written: two clients, narrow tables, batches of 500; ${againstPeers()}`,
};

function count({ scale }: Extent): number {
  return Math.ceil(jobs * scale);
}
