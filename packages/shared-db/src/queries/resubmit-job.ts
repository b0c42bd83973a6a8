import { statesBefore } from "../job-states.ts";
import type { JobMessage, JobOwnership } from "../rows.ts";
import type { Database, Json, Sql } from "../sql.ts";
import { storable, trimInfo } from "./finish-job.ts";

/** A failed attempt of a job, and what the rule that applies to it says of the next. */
export interface ResubmittedJob extends JobOwnership {
  /** Why the attempt failed, as conditions name it. */
  readonly cause: string;
  /** The same in words, for the attempt. */
  readonly failure: string | null;
  readonly exitCode: number | null;
  readonly messages: readonly JobMessage[];
  readonly toolStdout: string;
  readonly toolStderr: string;
  readonly jobStdout: string;
  readonly jobStderr: string;
  /** Why the job waits again, for the user. */
  readonly info: string;
  /** Id or tag of a destination; null: what the tool is mapped to. */
  readonly destination: string | null;
  /** Handler id or tag; null: what it was assigned to. */
  readonly handler: string | null;
  /** Seconds. */
  readonly delay: number;
}

/**
 * Queued or running → resubmitted: the attempt is kept as a row of its own, the job waits unclaimed for its delay and then for
 * a handler, as if it had never run (galaxy.md 3.8). Its slot is free, its outputs are still to be made.
 * @returns what the job is assigned to now; undefined when it is no longer this owner's, or was deleted meanwhile
 */
export async function resubmitJobIfOwned(
  database: Database,
  job: ResubmittedJob,
): Promise<string | undefined> {
  return database.begin(async (sql) => {
    if (!(await keepAttempt(sql, job))) return undefined;
    const [row] = await sql<{ handler: string }[]>`
      with changed as (
        update job set state = 'resubmitted', info = ${trimInfo(job.info)}, incarnation_id = null,
          assigned_handler = coalesce(${job.handler}, assigned_handler),
          handler = coalesce(${job.handler}, assigned_handler, handler),
          wanted_destination = ${job.destination}, resubmit_after = now() + make_interval(secs => ${job.delay}),
          run_fence = null, job_runner_name = null, job_runner_external_id = null, command_line = null, destination_id = null,
          destination_params = null, destination_reason = null, start_time = null, update_time = now()
        where id = ${job.id} returning id, state, info, handler
      ), history as (
        insert into job_state_history (job_id, state, info) select id, state, info from changed
      )
      select handler from changed`;
    return row!.handler;
  });
}

/** Locks the job for the rest of the transaction. @returns whether it may be resubmitted by this owner */
async function keepAttempt(sql: Sql, job: ResubmittedJob): Promise<boolean> {
  const rows = await sql`
    with mine as (
      select * from job
      where id = ${job.id} and fence = ${job.fence} and state = any(${sql.array(statesBefore("resubmitted"))})
      for no key update
    )
    insert into job_attempt (job_id, run_fence, attempt, handler, job_runner_name, job_runner_external_id, destination_id,
      destination_params, start_time, end_time, cause, info, exit_code, job_messages, tool_stdout, tool_stderr, job_stdout, job_stderr)
    select id, run_fence, 1 + (select count(*) from job_attempt a where a.job_id = mine.id), handler, job_runner_name,
      job_runner_external_id, destination_id, destination_params, start_time, now(), ${job.cause},
      ${job.failure === null ? null : storable(job.failure)}, ${job.exitCode}::integer,
      ${job.messages.length > 0 ? sql.json(job.messages as unknown as Json) : null}::jsonb,
      ${storable(job.toolStdout)}, ${storable(job.toolStderr)}, ${storable(job.jobStdout)}, ${storable(job.jobStderr)}
    from mine
    returning job_id`;
  return rows.length === 1;
}

/** What conditions may ask of the attempt that has just failed (galaxy.md 3.8). */
export interface AttemptTimes {
  /** 1 for the first. */
  readonly attempt: number;
  readonly secondsRunning: number;
  readonly secondsSinceQueued: number;
}

export async function attemptTimes(sql: Sql, jobId: number): Promise<AttemptTimes> {
  const [row] = await sql<AttemptTimes[]>`
    select 1 + (select count(*)::int from job_attempt a where a.job_id = job.id) as attempt,
      coalesce(extract(epoch from now() - job.start_time), 0)::float8 as seconds_running,
      coalesce(extract(epoch from now() - (select max(h.create_time) from job_state_history h
        where h.job_id = job.id and h.state = 'queued')), 0)::float8 as seconds_since_queued
    from job where id = ${jobId}`;
  return row!;
}

/** A failed attempt as administrators and the job's owner see it. */
export interface JobAttempt {
  readonly attempt: number;
  readonly handler: string;
  readonly jobRunnerName: string | null;
  readonly jobRunnerExternalId: string | null;
  readonly destinationId: string | null;
  readonly startTime: Date | null;
  readonly endTime: Date;
  readonly cause: string;
  readonly info: string | null;
  readonly exitCode: number | null;
  readonly toolStdout: string | null;
  readonly toolStderr: string | null;
}

/** The attempts of a job that were followed by another, first to last. */
export async function earlierAttempts(sql: Sql, jobId: number): Promise<JobAttempt[]> {
  return sql<JobAttempt[]>`
    select attempt, handler, job_runner_name, job_runner_external_id, destination_id, start_time, end_time, cause, info, exit_code,
      tool_stdout, tool_stderr
    from job_attempt where job_id = ${jobId} order by attempt`;
}
