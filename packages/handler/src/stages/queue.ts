import type { Destination } from "@galaxy-jobs/runtime";
import {
  countActiveJobs,
  enqueueJobsIfClaimed,
  lockLimits,
  type Database,
  type Json,
  type JobRow,
  type Sql,
} from "@galaxy-jobs/shared-db";
import { atStep } from "../fault-points.ts";
import type { HandlerContext } from "../handler-context.ts";
import { countedDestinations, hasConcurrencyLimits, LimitBook, limitScopes } from "../limits/limit-book.ts";

/** A claimed job that knows where it would run. */
export interface QueueCandidate {
  readonly job: JobRow;
  readonly destination: Destination;
  /** How a rule came to it. */
  readonly destinationReason?: string | undefined;
}

export interface QueueResult {
  readonly queued: ReadonlySet<number>;
  /** No longer this handler's, or deleted meanwhile. */
  readonly lost: ReadonlySet<number>;
  /** Why the others wait. */
  readonly refused: ReadonlyMap<number, Refusal>;
}

export interface Refusal {
  readonly by: "runner" | "limits";
  readonly reason: string;
}

/**
 * Claimed → queued for as many jobs as the limits allow, first come first served. The limits hold whatever number of handlers
 * does this at once: the count and the change are one transaction that locks the limits it touches (galaxy.md 3.7; DESIGN.md
 * promise 6).
 * @param room jobs that each runner can take; counted down as jobs are queued
 */
export async function queue(
  context: HandlerContext,
  database: Database,
  candidates: readonly QueueCandidate[],
  room: Map<string, number>,
): Promise<QueueResult> {
  const { jobs: config, serverName } = context.config;
  const refuse = (book: LimitBook | undefined, candidate: QueueCandidate): Refusal | undefined => {
    const { runner } = candidate.destination;
    const free = room.get(runner) ?? 0;
    if (free <= 0)
      return {
        by: "runner",
        reason: `all workers of the runner ${runner} of handler ${serverName} are busy`,
      };
    const reason = book?.take(requestOf(candidate));
    if (reason !== undefined) return { by: "limits", reason };
    room.set(runner, free - 1);
    return undefined;
  };
  if (!hasConcurrencyLimits(config))
    return atStep(context.fault, "queue", () =>
      enqueue(database, candidates, (one) => refuse(undefined, one)),
    );
  const requests = candidates.map(requestOf);
  return atStep(context.fault, "queue", () =>
    database.begin(async (sql) => {
      // Sent together: while the limits are locked, others wait for each answer.
      const [, active] = await Promise.all([
        lockLimits(sql, limitScopes(config, requests)),
        countActiveJobs(sql, {
          users: [...new Set(requests.flatMap(({ userId }) => (userId === null ? [] : [userId])))],
          destinations: countedDestinations(config, requests),
        }),
      ]);
      const book = new LimitBook(config, active);
      return enqueue(sql, candidates, (one) => refuse(book, one));
    }),
  );
}

async function enqueue(
  sql: Sql,
  candidates: readonly QueueCandidate[],
  refuse: (candidate: QueueCandidate) => Refusal | undefined,
): Promise<QueueResult> {
  const refused = new Map<number, Refusal>();
  const chosen: QueueCandidate[] = [];
  for (const candidate of candidates) {
    const refusal = refuse(candidate);
    if (refusal === undefined) chosen.push(candidate);
    else refused.set(candidate.job.id, refusal);
  }
  const queued = await enqueueJobsIfClaimed(
    sql,
    chosen.map(({ job, destination, destinationReason }) => ({
      id: job.id,
      fence: job.fence,
      runnerName: destination.runner,
      destinationId: destination.id,
      destinationParams: destination.params as Record<string, Json>,
      destinationReason,
    })),
  );
  const lost = new Set(chosen.map(({ job }) => job.id).filter((id) => !queued.has(id)));
  return { queued, lost, refused };
}

function requestOf({ job, destination }: QueueCandidate) {
  return { userId: job.userId, destinationId: destination.id };
}
