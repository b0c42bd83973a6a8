import type { JobOwnership } from "../rows.ts";
import type { Sql } from "../sql.ts";
import { ownershipArrays } from "./ownership.ts";

export interface SubmittedJob extends JobOwnership {
  /** Empty while what it was given to has not answered. */
  readonly externalId: string;
  readonly commandLine: string;
}

/**
 * Notes where a queued job waits; it stays queued until it runs there.
 * @returns false when the job is no longer this owner's, or was deleted meanwhile
 */
export async function markJobSubmittedIfQueued(sql: Sql, job: SubmittedJob): Promise<boolean> {
  const rows = await sql`
    update job set job_runner_external_id = nullif(${job.externalId}, ''), command_line = ${job.commandLine}, update_time = now()
    where id = ${job.id} and fence = ${job.fence} and state = 'queued'
    returning id`;
  return rows.length === 1;
}

/**
 * Says why jobs that were given to a cluster do not run there, and where they wait; an empty reason: they do. A running job may
 * be back in the cluster's queue. Only changes are written.
 */
export async function explainWaitIfSubmitted(
  sql: Sql,
  jobs: readonly (JobOwnership & { readonly externalId: string; readonly reason: string })[],
): Promise<void> {
  if (jobs.length === 0) return;
  const { ids, fences } = ownershipArrays(sql, jobs);
  await sql`
    update job set wait_reason = nullif(left(mine.reason, 1000), ''),
      wait_reason_time = case when mine.reason = '' then null else now() end,
      job_runner_external_id = coalesce(nullif(mine.external_id, ''), job_runner_external_id)
    from unnest(${ids}::bigint[], ${fences}::bigint[],
      ${sql.array(jobs.map(({ externalId }) => externalId))}::text[], ${sql.array(jobs.map(({ reason }) => reason))}::text[])
      as mine (id, fence, external_id, reason)
    where job.id = mine.id and job.fence = mine.fence and job.state in ('queued', 'running')
      and (job.wait_reason is distinct from nullif(left(mine.reason, 1000), '')
        or coalesce(nullif(mine.external_id, ''), job.job_runner_external_id) is distinct from job.job_runner_external_id)`;
}
