import { statesBefore } from "../job-states.ts";
import { bigintOid, type Database, type Sql } from "../sql.ts";
import type { JobOwnership } from "../rows.ts";
import { trimInfo } from "./finish-job.ts";
import { releaseDependents } from "./release-dependents.ts";

/** Claimed → paused, back with its pool; resume makes it new again. @returns false when it is no longer this owner's */
export async function pauseJobIfClaimed(
  database: Database,
  job: JobOwnership,
  info: string,
): Promise<boolean> {
  return database.begin(async (sql) => {
    const rows = await sql`
      with changed as (
        update job set state = 'paused', info = ${trimInfo(info)}, handler = assigned_handler, incarnation_id = null, fence = fence + 1, update_time = now()
        where id = ${job.id} and fence = ${job.fence} and state = any(${sql.array(statesBefore("paused"))})
        returning id, state, info
      )
      insert into job_state_history (job_id, state, info) select id, state, info from changed returning job_id`;
    if (rows.length === 0) return false;
    await releaseDependents(sql, [job.id]);
    return true;
  });
}

/**
 * Paused → new, or waiting while an input is still being made; then the same for the jobs that were paused for want of its
 * outputs (galaxy.md 4.2).
 * @returns the ids of the jobs that were resumed; empty when the job was not paused
 */
export async function resumeJobIfPaused(database: Database, jobId: number): Promise<number[]> {
  return database.begin(async (sql) => {
    const resumed: number[] = [];
    let next = [jobId];
    while (next.length > 0) {
      const changed = await resume(sql, next);
      resumed.push(...changed);
      next = changed.length === 0 ? [] : await pausedDependents(sql, changed);
    }
    return resumed;
  });
}

async function resume(sql: Sql, jobIds: readonly number[]): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    with changed as (
      update job set info = null, update_time = now(), handler = coalesce(handler, assigned_handler),
        ticket = next_ticket(coalesce(handler, assigned_handler), user_id, priority),
        state = case when exists (
          select from job_to_input_dataset i
          join history_dataset_association a on a.id = i.dataset_id
          join dataset_state s on s.dataset_id = a.dataset_id
          where i.job_id = job.id and s.state in ('new', 'upload', 'queued', 'running', 'paused', 'setting_metadata')
        ) then 'waiting' else 'new' end
      where id = any(${sql.array([...jobIds], bigintOid)}) and state = 'paused'
      returning id, state
    ), history as (
      insert into job_state_history (job_id, state) select id, state from changed
    )
    select id from changed`;
  return rows.map(({ id }) => id);
}

async function pausedDependents(sql: Sql, jobIds: readonly number[]): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select distinct job.id from dataset d
    join history_dataset_association a on a.dataset_id = d.id
    join job_to_input_dataset i on i.dataset_id = a.id
    join job on job.id = i.job_id
    where d.job_id = any(${sql.array([...jobIds], bigintOid)}) and job.state = 'paused'`;
  return rows.map(({ id }) => id);
}
