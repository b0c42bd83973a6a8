import { statesBefore } from "../job-states.ts";
import type { Sql } from "../sql.ts";
import type { JobOwnership } from "../rows.ts";

export interface StartedJob extends JobOwnership {
  readonly externalId: string;
  readonly commandLine: string;
}

/** Queued → running. @returns false when the job is no longer this owner's, or was deleted meanwhile: then its process must end */
export async function markJobRunningIfQueued(sql: Sql, job: StartedJob): Promise<boolean> {
  const rows = await sql`
    with changed as (
      update job set state = 'running', job_runner_external_id = ${job.externalId}, command_line = ${job.commandLine},
        wait_reason = null, wait_reason_time = null, start_time = now(), update_time = now()
      where id = ${job.id} and fence = ${job.fence} and state = any(${sql.array(statesBefore("running"))})
      returning id, state
    )
    insert into job_state_history (job_id, state) select id, state from changed returning job_id`;
  return rows.length === 1;
}
