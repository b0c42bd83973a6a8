import { againstThisRelease } from "../against.ts";
import type { Bench, Extent, Measures, Subject } from "../bench.ts";
import type { BenchDatabase } from "../database.ts";
import { drainGalaxyJobs } from "../drain/galaxy-jobs.ts";
import { drainPeer } from "../peers/drain-peer.ts";
import type { Peer } from "../peers/peer.ts";
import { againstPeers, peers } from "../peers/peers.ts";
import { makeDeadJobs } from "../waiting-jobs.ts";
import { holdSnapshot } from "./old-snapshot.ts";

const jobs = 100_000;
const deadRows = 1_000_000;
/** A peer that takes longer is stopped, and its rate so far counts, s. */
const longest = 60;

/** What a session that holds an old snapshot does to a queue: the dead rows of all that is over stay in front of what waits. */
export const drainXminBench: Bench = {
  name: "drain-xmin",
  what: `the drain of ${jobs} jobs while a REPEATABLE READ transaction is open and ${deadRows} dead rows cannot be cleaned away; free: without`,
  units: { jobs: "jobs/s" },
  reference: "galaxy-jobs, free",
  subjects: [
    { name: "galaxy-jobs, free", round: (_: number, extent: Extent) => ours(extent, false) },
    { name: "galaxy-jobs, held", round: (_: number, extent: Extent) => ours(extent, true) },
    ...peers.flatMap((peer): Subject[] => [
      { name: `${peer.name}, free`, round: (_, extent) => theirs(peer, extent, false) },
      { name: `${peer.name}, held`, round: (_, extent) => theirs(peer, extent, true) },
    ]),
  ],
  against: () => `${againstThisRelease()}; ${againstPeers()}`,
};

async function ours({ scale }: Extent, held: boolean): Promise<Measures> {
  const hinder = async ({ sql, address }: Pick<BenchDatabase, "sql" | "address">) => {
    const free = await holdSnapshot(address);
    await makeDeadJobs(sql, Math.ceil(deadRows * scale));
    return free;
  };
  const { jobs: rate } = await drainGalaxyJobs(Math.ceil(jobs * scale), held ? hinder : undefined);
  return { jobs: rate! };
}

async function theirs(peer: Peer, { scale }: Extent, held: boolean): Promise<Measures> {
  const hinder = async (database: BenchDatabase) => {
    const free = await holdSnapshot(database.address);
    await peer.makeDeadRows(database, Math.ceil(deadRows * scale));
    return free;
  };
  const options = { jobs: Math.ceil(jobs * scale), longest, ...(held ? { hinder } : {}) };
  return { jobs: await drainPeer(peer, options) };
}
