import { claimJobs, type Database, type JobRow } from "@galaxy-jobs/shared-db";
import type { HandlerContext } from "../handler-context.ts";

/** Takes as many new jobs of this handler's pools as it can start soon. A claim, once sent, is not cancelled by a shutdown. */
export async function claim(
  context: HandlerContext,
  database: Database,
  freeSlots: number,
): Promise<JobRow[]> {
  const limit = Math.min(freeSlots, context.config.jobs.maxGrab ?? freeSlots);
  if (limit <= 0) return [];
  return claimJobs(database, {
    incarnationId: context.incarnationId,
    serverName: context.config.serverName,
    tags: context.tags,
    limit,
  });
}
