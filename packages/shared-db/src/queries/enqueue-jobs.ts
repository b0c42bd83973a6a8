import { statesBefore } from "../job-states.ts";
import type { Json, Sql } from "../sql.ts";
import type { JobOwnership } from "../rows.ts";
import { ownershipArrays } from "./ownership.ts";

export interface EnqueuedJob extends JobOwnership {
  readonly runnerName: string;
  readonly destinationId: string;
  readonly destinationParams: Readonly<Record<string, Json>>;
  /** How a rule came to the destination; undefined where none decided. */
  readonly destinationReason?: string | undefined;
}

/**
 * Claimed → queued: jobs are given to a runner (galaxy.md 4.6), and the names of their run directories are fixed before
 * anything of them exists.
 * @returns the ids of those that were still this owner's and not deleted meanwhile
 */
export async function enqueueJobsIfClaimed(sql: Sql, jobs: readonly EnqueuedJob[]): Promise<Set<number>> {
  if (jobs.length === 0) return new Set();
  const { ids, fences } = ownershipArrays(sql, jobs);
  // How the states are compared: see `finishJobsIfOwned`.
  const rows = await sql<{ jobId: number }[]>`
    with changed as (
      update job set state = 'queued', run_fence = job.fence, job_runner_name = mine.runner, destination_id = mine.destination,
        destination_params = mine.params::jsonb, destination_reason = left(mine.reason, 1000), wait_reason = null,
        wait_reason_time = null, update_time = now()
      from unnest(${ids}::bigint[], ${fences}::bigint[], ${sql.array(jobs.map(({ runnerName }) => runnerName))}::text[],
        ${sql.array(jobs.map(({ destinationId }) => destinationId))}::text[],
        ${sql.array(jobs.map(({ destinationParams }) => JSON.stringify(destinationParams)))}::text[],
        ${sql.array(jobs.map(({ destinationReason }) => destinationReason ?? null))}::text[])
        as mine (id, fence, runner, destination, params, reason)
      where job.id = any(${ids}::bigint[]) and job.id = mine.id and job.fence = mine.fence
        and array_position(${sql.array(statesBefore("queued"))}, job.state) is not null
      returning job.id, job.state
    )
    insert into job_state_history (job_id, state) select id, state from changed returning job_id`;
  return new Set(rows.map(({ jobId }) => jobId));
}

/** Says why claimed jobs have not been started yet. Only changes are written. */
export async function explainWaitIfClaimed(
  sql: Sql,
  jobs: readonly (JobOwnership & { readonly reason: string })[],
): Promise<void> {
  if (jobs.length === 0) return;
  const { ids, fences } = ownershipArrays(sql, jobs);
  await sql`
    update job set wait_reason = left(mine.reason, 1000), wait_reason_time = now()
    from unnest(${ids}::bigint[], ${fences}::bigint[], ${sql.array(jobs.map(({ reason }) => reason))}::text[]) as mine (id, fence, reason)
    where job.id = mine.id and job.fence = mine.fence and job.state in ('new', 'resubmitted')
      and job.wait_reason is distinct from left(mine.reason, 1000)`;
}
