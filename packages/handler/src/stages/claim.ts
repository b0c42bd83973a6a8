import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import type { Database, ExpressRoute, JobRow } from "@galaxy-jobs/shared-db";
import { claimMethod } from "../assignment/assign-handler.ts";
import { atStep } from "../fault-points.ts";
import type { HandlerContext } from "../handler-context.ts";

/** What a handler has enough of already. */
export interface EnoughInHand {
  readonly users: readonly number[];
  readonly tools: readonly string[];
  /** It has a job in hand that may have killed a handler before. */
  readonly suspects: boolean;
}

/** Jobs that one claim takes at most. */
export function claimLimit(
  { jobs: { maxGrab, readyWindowSize } }: GalaxyConfig,
  freeWorkers: number,
): number {
  return Math.min(freeWorkers, maxGrab ?? freeWorkers, readyWindowSize);
}

/**
 * Takes as many new jobs of this handler's pools as it can start soon. A claim, once sent, is not cancelled by a shutdown.
 * @param express those of them whose jobs are queued at once; there must be a worker for each job of the claim
 */
export async function claim(
  context: HandlerContext,
  database: Database,
  freeWorkers: number,
  enough: EnoughInHand,
  express: readonly ExpressRoute[],
): Promise<JobRow[]> {
  const { config, cursor, incarnationId, tags } = context;
  const limit = claimLimit(config, freeWorkers);
  if (limit <= 0) return [];
  const look = cursor.look(performance.now());
  const request = {
    ...look,
    incarnationId,
    serverName: config.serverName,
    tags,
    limit,
    exceptUsers: enough.users,
    exceptTools: enough.tools,
    exceptSuspects: enough.suspects,
    express,
  };
  return atStep(context.fault, "claim", async () => {
    const began = performance.now();
    const claimed = await claimMethod(config)(database, request);
    const now = performance.now();
    cursor.claimed(look, claimed, now, now - began);
    return claimed;
  });
}
