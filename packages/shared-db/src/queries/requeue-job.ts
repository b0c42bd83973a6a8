import { statesBefore } from "../job-states.ts";
import type { Sql } from "../sql.ts";
import type { JobOwnership } from "../rows.ts";
import { ticketOfReleased } from "./virtual-time.ts";

/**
 * Queued → new, back with its pool: for a job that is proven never to have been started (galaxy.md 4.13). Running → new too: its
 * handler may have written that its process was spawned, and died with it before it had begun anything.
 * @param isSpared the death of its last handler does not count against it
 * @returns false when it is no longer this owner's, or was deleted meanwhile
 */
export async function requeueJobIfNotStarted(
  sql: Sql,
  job: JobOwnership,
  isSpared = false,
): Promise<boolean> {
  const rows = await sql`
    with changed as (
      update job set state = 'new', handler = assigned_handler, incarnation_id = null, fence = fence + 1, run_fence = null, job_runner_name = null,
        job_runner_external_id = null, start_time = null,
        command_line = null, update_time = now(), handler_deaths = greatest(handler_deaths - ${isSpared ? 1 : 0}, 0),
        ticket = ${ticketOfReleased(sql, sql`job.assigned_handler`)}
      where id = ${job.id} and fence = ${job.fence} and state in ('queued', 'running') and state = any(${sql.array(statesBefore("new"))})
      returning id, state
    )
    insert into job_state_history (job_id, state) select id, state from changed returning job_id`;
  return rows.length === 1;
}
