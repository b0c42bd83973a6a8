import { countJobs, listHandlers, listPools, type Database } from "@galaxy-jobs/shared-db";
import { readStats, type StatsAddress, type StatsDocument } from "./read-stats.ts";

/** The instance at one moment. */
export interface Snapshot {
  readonly time: Date;
  /** undefined: no stats socket is configured. */
  readonly web: StatsDocument | { readonly error: string } | undefined;
  readonly handlers: Awaited<ReturnType<typeof listHandlers>>;
  readonly pools: Awaited<ReturnType<typeof listPools>>;
  readonly jobs: Awaited<ReturnType<typeof countJobs>>;
}

/** A web tier that does not answer is part of the picture, a database that does not is an error. */
export async function takeSnapshot(database: Database, stats: StatsAddress | undefined): Promise<Snapshot> {
  const [web, handlers, pools, jobs] = await Promise.all([
    stats === undefined
      ? undefined
      : readStats(stats).catch((error: unknown) => ({
          error: error instanceof Error ? error.message : String(error),
        })),
    listHandlers(database),
    listPools(database),
    countJobs(database),
  ]);
  return { time: new Date(), web, handlers, pools, jobs };
}
