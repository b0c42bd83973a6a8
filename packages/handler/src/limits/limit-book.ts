import type { DestinationLimit, JobConfig } from "@galaxy-jobs/runtime";
import type { ActiveCount } from "@galaxy-jobs/shared-db";

/** A job that asks for a slot. */
export interface SlotRequest {
  readonly userId: number | null;
  readonly destinationId: string;
}

/** One limit as it applies to one request: which jobs it counts, and how many there may be. */
interface AppliedLimit {
  /** Equal for all requests that share its slots. */
  readonly scope: string;
  readonly most: number;
  readonly counts: (active: SlotRequest) => boolean;
  readonly explain: (count: number) => string;
}

/** Whether job_conf limits how many jobs run at once. */
export function hasConcurrencyLimits({ limits }: JobConfig): boolean {
  return (
    (limits.registeredUserConcurrentJobs ?? 0) > 0 ||
    limits.destinationUserConcurrentJobs.some(({ value }) => value > 0) ||
    limits.destinationTotalConcurrentJobs.length > 0
  );
}

/** The names of all limits that apply to some requests: what `lockLimits` takes. */
export function limitScopes(config: JobConfig, requests: readonly SlotRequest[]): string[] {
  return [
    ...new Set(requests.flatMap((request) => appliedLimits(config, request).map(({ scope }) => scope))),
  ];
}

/** The destinations whose jobs of all users have to be counted for some requests. */
export function countedDestinations(config: JobConfig, requests: readonly SlotRequest[]): string[] {
  const { destinationTotalConcurrentJobs: totals } = config.limits;
  return Object.keys(config.destinations).filter((id) =>
    totals.some(
      (limit) =>
        covers(config, limit, id) &&
        requests.some(({ destinationId }) => covers(config, limit, destinationId)),
    ),
  );
}

/**
 * Gives out the slots that the limits of job_conf leave, in Galaxy's order of tests (galaxy.md 3.7): the destination's total,
 * its tags' totals, the user's total, the user's on the destination and on its tags.
 */
export class LimitBook {
  readonly #config: JobConfig;
  readonly #active: ActiveCount[];

  constructor(config: JobConfig, active: readonly ActiveCount[]) {
    this.#config = config;
    this.#active = [...active];
  }

  /** The limits that apply to a job, in the order of their tests, each with its numbers in words. */
  explain(request: SlotRequest): { readonly full: boolean; readonly words: string }[] {
    return appliedLimits(this.#config, request).map((limit) => {
      const count = this.#count(limit);
      return { full: count >= limit.most, words: limit.explain(count) };
    });
  }

  /** Takes a slot for a job. @returns undefined, or why there is none, with the numbers */
  take(request: SlotRequest): string | undefined {
    for (const limit of appliedLimits(this.#config, request)) {
      const count = this.#count(limit);
      if (count >= limit.most) return limit.explain(count);
    }
    this.#active.push({ ...request, count: 1 });
    return undefined;
  }

  #count(limit: AppliedLimit): number {
    return this.#active.reduce((sum, row) => (limit.counts(row) ? sum + row.count : sum), 0);
  }
}

function appliedLimits(config: JobConfig, request: SlotRequest): AppliedLimit[] {
  const { limits } = config;
  const { userId, destinationId } = request;
  const total = inOrder(limits.destinationTotalConcurrentJobs)
    .filter((limit) => covers(config, limit, destinationId))
    .map((limit) => ({
      scope: `${limit.by} ${limit.name}`,
      most: limit.value,
      counts: (active: SlotRequest) => covers(config, limit, active.destinationId),
      explain: (count: number) =>
        limit.value === 0
          ? `${place(limit)} takes no jobs (destination_total_concurrent_jobs is 0)`
          : `${place(limit)} has ${count} of ${limit.value} jobs active (destination_total_concurrent_jobs)`,
    }));
  if (userId === null) return total;
  const mine = (active: SlotRequest) => active.userId === userId;
  // Of a user's limits 0 means none at all, as in Galaxy.
  const userTotal = limits.registeredUserConcurrentJobs ?? 0;
  const user = {
    scope: `user ${userId}`,
    most: userTotal,
    counts: mine,
    explain: (count: number) =>
      `the user has ${count} of ${userTotal} jobs active (registered_user_concurrent_jobs)`,
  };
  const perDestination = inOrder(limits.destinationUserConcurrentJobs)
    .filter((limit) => limit.value > 0 && covers(config, limit, destinationId))
    .map((limit) => ({
      scope: `${limit.by} ${limit.name} user ${userId}`,
      most: limit.value,
      counts: (active: SlotRequest) => mine(active) && covers(config, limit, active.destinationId),
      explain: (count: number) =>
        `the user has ${count} of ${limit.value} jobs active on ${place(limit)} (destination_user_concurrent_jobs)`,
    }));
  return [...total, ...(userTotal > 0 ? [user] : []), ...perDestination];
}

/** Limits by id before those by tag. */
function inOrder(limits: readonly DestinationLimit[]): DestinationLimit[] {
  return limits.toSorted((a, b) => Number(a.by === "tag") - Number(b.by === "tag"));
}

function covers(config: JobConfig, limit: DestinationLimit, destinationId: string): boolean {
  if (limit.by === "id") return limit.name === destinationId;
  return config.destinations[destinationId]?.tags.includes(limit.name) ?? false;
}

function place({ by, name }: DestinationLimit): string {
  return by === "id" ? `destination ${name}` : `the destinations tagged ${name}`;
}
