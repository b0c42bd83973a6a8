import type { Database, JobRow } from "@galaxy-jobs/shared-db";
import { claimMethod } from "../assignment/assign-handler.ts";
import type { HandlerContext } from "../handler-context.ts";

/** What a handler has enough of already. */
export interface EnoughInHand {
  readonly users: readonly number[];
  readonly tools: readonly string[];
}

/** Takes as many new jobs of this handler's pools as it can start soon. A claim, once sent, is not cancelled by a shutdown. */
export async function claim(
  context: HandlerContext,
  database: Database,
  freeWorkers: number,
  enough: EnoughInHand,
): Promise<JobRow[]> {
  const { config, incarnationId, tags } = context;
  const limit = Math.min(freeWorkers, config.jobs.maxGrab ?? freeWorkers, config.jobs.readyWindowSize);
  if (limit <= 0) return [];
  return claimMethod(config)(database, {
    incarnationId,
    serverName: config.serverName,
    tags,
    limit,
    exceptUsers: enough.users,
    exceptTools: enough.tools,
  });
}
