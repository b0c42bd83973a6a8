import { terminalStates } from "../job-states.ts";
import { bigintOid, type Database } from "../sql.ts";

/** A job that is gone from the database; its run directories may be left. */
export interface PurgedJob {
  readonly id: number;
}

/**
 * Removes one batch of jobs that ended more than `days` ago, with their history, parameters and links; datasets stay. Jobs
 * that somebody has locked are left for the next time, so that nobody waits.
 * @param afterId only jobs with higher ids: the last one of the batch before
 * @param most jobs in one transaction
 */
export async function purgeEndedJobs(
  database: Database,
  { days, afterId, most }: { readonly days: number; readonly afterId: number; readonly most: number },
): Promise<PurgedJob[]> {
  return database.begin(async (sql) => {
    const rows = await sql<PurgedJob[]>`
      select id from job
      where id > ${afterId} and state = any(${sql.array([...terminalStates])})
        and end_time < now() - make_interval(secs => ${days * 86_400})
      order by id limit ${most} for update skip locked`;
    if (rows.length === 0) return [];
    const ids = sql.array(
      rows.map(({ id }) => id),
      bigintOid,
    );
    await sql`update dataset set job_id = null where job_id = any(${ids})`;
    await sql`delete from job_to_input_dataset where job_id = any(${ids})`;
    await sql`delete from job_to_output_dataset where job_id = any(${ids})`;
    await sql`delete from job_attempt where job_id = any(${ids})`;
    await sql`delete from job_state_history where job_id = any(${ids})`;
    await sql`delete from job where id = any(${ids})`;
    return [...rows];
  });
}

/** What decides about a run directory. */
export interface RunDirectoryOwner {
  readonly id: number;
  readonly ended: boolean;
  readonly state: string;
  /** The fence in the name of the job's present run directory. */
  readonly runFence: number | null;
}

/** Of some jobs those that the database knows. */
export async function ownersOfRunDirectories(
  sql: Database,
  jobIds: readonly number[],
): Promise<RunDirectoryOwner[]> {
  return sql<RunDirectoryOwner[]>`
    select id, state, run_fence, state = any(${sql.array([...terminalStates])}) as ended
    from job where id = any(${sql.array([...jobIds], bigintOid)})`;
}
