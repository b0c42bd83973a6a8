import { statesBefore } from "../job-states.ts";
import type { Json, Sql } from "../sql.ts";
import type { JobOwnership } from "../rows.ts";

export interface EnqueuedJob extends JobOwnership {
  readonly runnerName: string;
  readonly destinationId: string;
  readonly destinationParams: Readonly<Record<string, Json>>;
}

/**
 * Claimed → queued: the job is given to a runner (galaxy.md 4.6), and its run directory's name is fixed before anything of
 * it exists.
 * @returns false when the job is no longer this owner's, or was deleted meanwhile
 */
export async function enqueueJobIfClaimed(sql: Sql, job: EnqueuedJob): Promise<boolean> {
  const rows = await sql`
    with changed as (
      update job set state = 'queued', run_fence = fence, job_runner_name = ${job.runnerName},
        destination_id = ${job.destinationId}, destination_params = ${sql.json({ ...job.destinationParams })}, update_time = now()
      where id = ${job.id} and fence = ${job.fence} and state = any(${sql.array(statesBefore("queued"))})
      returning id, state
    )
    insert into job_state_history (job_id, state) select id, state from changed returning job_id`;
  return rows.length === 1;
}
