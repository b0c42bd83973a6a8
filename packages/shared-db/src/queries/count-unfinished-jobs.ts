import { bigintOid, type Sql } from "../sql.ts";
import type { JobState } from "../job-states.ts";

/** States of jobs that a rule may count: those that have not ended. */
export const countableStates = [
  "new",
  "waiting",
  "resubmitted",
  "paused",
  "queued",
  "running",
] as const satisfies readonly JobState[];
export type CountableState = (typeof countableStates)[number];

export interface JobCountRequest {
  readonly states: readonly CountableState[];
  /** Ids; undefined: all, and jobs that have none yet. */
  readonly destinations?: readonly string[] | undefined;
  readonly userEmail?: string | undefined;
  /** Jobs on their way to these destinations, counted as well as long as they are not queued. */
  readonly headed?: readonly number[];
}

/** How many jobs there are now: what rules of dynamic destinations ask (galaxy.md 3.9). One snapshot, nothing is locked. */
export async function countUnfinishedJobs(sql: Sql, request: JobCountRequest): Promise<number> {
  const { states, destinations, userEmail, headed = [] } = request;
  const active = states.every((state) => state === "queued" || state === "running");
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from job
    where (
      state = any(${sql.array([...states])})
      ${active ? sql`and state in ('queued', 'running', 'deleting', 'stopping') and run_fence is not null` : sql``}
      ${destinations === undefined ? sql`` : sql`and destination_id = any(${sql.array([...destinations])})`}
      ${headed.length === 0 ? sql`` : sql`or id = any(${sql.array([...headed], bigintOid)}) and state in ('new', 'resubmitted')`}
    )
    ${userEmail === undefined ? sql`` : sql`and user_id = (select id from galaxy_user where lower(email) = lower(${userEmail}))`}`;
  return row!.count;
}
