import { statesBefore } from "../job-states.ts";
import type { Sql } from "../sql.ts";
import type { JobOwnership } from "../rows.ts";
import { ownershipArrays } from "./ownership.ts";
import { writtenBefore } from "./written-before.ts";

/** That a run has begun. */
export interface RunStart {
  readonly externalId: string;
  readonly commandLine: string;
  /** Seconds since then; absent: 0. */
  readonly secondsAgo?: number;
}

export interface StartedJob extends JobOwnership, RunStart {}

/**
 * Queued → running, for any number of jobs in one statement.
 * @returns the ids of those that run under this ownership now, also where an earlier call, whose answer was lost, has written
 *   it. The others are no longer this owner's, or were deleted meanwhile: their processes must end
 */
export async function markJobsRunningIfQueued(sql: Sql, jobs: readonly StartedJob[]): Promise<Set<number>> {
  if (jobs.length === 0) return new Set();
  const { ids, fences } = ownershipArrays(sql, jobs);
  const rows = await sql<{ jobId: number }[]>`
    with changed as (
      update job set state = 'running', job_runner_external_id = mine.external_id, command_line = mine.command_line,
        wait_reason = null, wait_reason_time = null, update_time = now(),
        start_time = now() - make_interval(secs => mine.seconds_ago::float8)
      from unnest(${ids}::bigint[], ${fences}::bigint[], ${sql.array(jobs.map(({ externalId }) => externalId))}::text[],
        ${sql.array(jobs.map(({ commandLine }) => commandLine))}::text[],
        ${sql.array(jobs.map(({ secondsAgo = 0 }) => String(secondsAgo)))}::text[])
        as mine (id, fence, external_id, command_line, seconds_ago)
      where job.id = any(${ids}::bigint[]) and job.id = mine.id and job.fence = mine.fence
        and array_position(${sql.array(statesBefore("running"))}, job.state) is not null
      returning job.id, job.state, job.start_time
    )
    insert into job_state_history (create_time, job_id, state) select start_time, id, state from changed returning job_id`;
  const written = new Set(rows.map(({ jobId }) => jobId));
  for (const id of await writtenBefore(sql, jobs, written, "running")) written.add(id);
  return written;
}

/** Queued → running. @returns false when the job is no longer this owner's, or was deleted meanwhile: then its process must end */
export async function markJobRunningIfQueued(sql: Sql, job: StartedJob): Promise<boolean> {
  return (await markJobsRunningIfQueued(sql, [job])).has(job.id);
}
