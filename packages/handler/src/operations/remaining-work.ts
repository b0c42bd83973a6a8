import { expectedRunSeconds, remainingJobs, type Database, type RemainingJob } from "@galaxy-jobs/shared-db";

/** Jobs of one handler that are looked at. */
const most = 1000;

export interface ExpectedJob extends RemainingJob {
  /** Seconds until its usual end; null for a job that has not started, whose tool has no statistics, or that takes longer than usual. */
  readonly remaining: number | null;
}

export interface RemainingWork {
  readonly jobs: readonly ExpectedJob[];
  /** There are more than are listed. */
  readonly truncated: boolean;
  /**
   * Seconds until the jobs under way have ended, by what their tools usually take; 0 when it holds no job, null when nothing
   * is known of any.
   */
  readonly emptyIn: number | null;
  /** Jobs under way of whose end nothing is known: it may take longer. */
  readonly unknown: number;
  /** Jobs that wait for this handler alone: while it is drained, they stay. */
  readonly stuck: number;
}

const underWay = new Set(["queued", "running"]);

/** What a handler still has to do, and how long that will take if it takes nothing new. */
export async function remainingWork(database: Database, serverName: string): Promise<RemainingWork> {
  const found = await remainingJobs(database, serverName, most + 1);
  const listed = found.slice(0, most);
  const usual = await expectedRunSeconds(database, [...new Set(listed.map(({ toolId }) => toolId))]);
  const jobs = listed.map((job) => ({ ...job, remaining: remainingOf(job, usual.get(job.toolId)) }));
  const active = jobs.filter(({ state }) => underWay.has(state));
  const held = jobs.filter((job) => job.held);
  const known = active.flatMap(({ remaining }) => (remaining === null ? [] : [remaining]));
  return {
    jobs,
    truncated: found.length > most,
    emptyIn: known.length > 0 ? Math.max(...known) : held.length === 0 ? 0 : null,
    unknown: active.length - known.length,
    stuck: jobs.length - held.length,
  };
}

function remainingOf({ state, elapsed }: RemainingJob, usual: number | undefined): number | null {
  if (usual === undefined || !underWay.has(state)) return null;
  if (state === "queued") return usual;
  return elapsed < usual ? usual - elapsed : null;
}
