import { bigintOid, type Sql } from "../sql.ts";

/** Why a job cannot run now, from the states of its inputs; in Galaxy's words (galaxy.md 4.5, 4.10). */
export const inputInErrorInfo =
  "Execution of this dataset's job is paused because its input datasets are in an error state.";
export const inputDeletedInfo = "An input dataset was deleted before the job started";

/**
 * After jobs ended or were paused: decides what waits for their outputs. A waiting job whose inputs are all there becomes
 * new; one with an input that failed or is paused is paused, and so on down the chain; one with an input that is gone fails.
 * The outputs' rows are locked first, so that a job that is being submitted with one of them as its input either sees the
 * new state or is seen here (`insertJobs` takes the same locks).
 * @param jobIds jobs whose outputs changed, in the caller's transaction
 */
export async function releaseDependents(sql: Sql, jobIds: readonly number[]): Promise<void> {
  let changed = [...jobIds];
  while (changed.length > 0) {
    await sql`select id from dataset where job_id = any(${sql.array(changed, bigintOid)}) order by id for no key update`;
    const waiting = await sql<{ id: number }[]>`
      select job.id from job
      where job.state = 'waiting' and job.id in (
        select i.job_id
        from dataset d
        join history_dataset_association a on a.dataset_id = d.id
        join job_to_input_dataset i on i.dataset_id = a.id
        where d.job_id = any(${sql.array(changed, bigintOid)}))
      order by job.id for no key update`;
    changed =
      waiting.length === 0
        ? []
        : await decide(
            sql,
            waiting.map(({ id }) => id),
          );
  }
}

/** @returns the jobs that were paused or failed: their own dependents are next */
async function decide(sql: Sql, jobIds: readonly number[]): Promise<number[]> {
  const rows = await sql<{ id: number; state: string }[]>`
    with input as (
      select i.job_id, s.state, a.deleted or d.deleted or d.purged as gone
      from job_to_input_dataset i
      join history_dataset_association a on a.id = i.dataset_id
      join dataset d on d.id = a.dataset_id
      join dataset_state s on s.dataset_id = d.id
      where i.job_id = any(${sql.array([...jobIds], bigintOid)})
    ), verdict as (
      select job_id,
        case
          when bool_or(gone or state = 'discarded') then 'error'
          when bool_or(state in ('error', 'failed_metadata', 'paused')) then 'paused'
          when bool_and(state in ('ok', 'empty', 'deferred')) then 'new'
        end as state
      from input group by job_id
    ), changed as (
      update job set state = verdict.state, update_time = now(), handler = coalesce(handler, assigned_handler),
        end_time = case when verdict.state = 'error' then now() end,
        ticket = case when verdict.state = 'new' then next_ticket(coalesce(handler, assigned_handler), user_id, priority) else ticket end,
        info = case verdict.state when 'error' then ${inputDeletedInfo} when 'paused' then ${inputInErrorInfo} end
      from verdict
      where job.id = verdict.job_id and job.state = 'waiting' and verdict.state is not null
      returning job.id, job.state, job.info
    ), outputs as (
      update dataset set state = 'error', update_time = now()
      from changed where changed.state = 'error' and dataset.job_id = changed.id and dataset.state = 'new'
    ), history as (
      insert into job_state_history (job_id, state, info) select id, state, info from changed
    )
    select id, state from changed`;
  return rows.filter(({ state }) => state !== "new").map(({ id }) => id);
}
