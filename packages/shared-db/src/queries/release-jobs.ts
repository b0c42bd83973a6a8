import { bigintOid, type Sql } from "../sql.ts";
import type { JobOwnership } from "../rows.ts";

/** Gives claimed jobs that were not started back to what they were assigned to. @returns the ids that were given back */
export async function releaseJobsIfNew(sql: Sql, jobs: readonly JobOwnership[]): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    update job set handler = assigned_handler, incarnation_id = null, update_time = now()
    from unnest(${sql.array(
      jobs.map(({ id }) => id),
      bigintOid,
    )}::bigint[], ${sql.array(
      jobs.map(({ fence }) => fence),
      bigintOid,
    )}::bigint[]) as mine (id, fence)
    where job.id = mine.id and job.fence = mine.fence and job.state in ('new', 'resubmitted')
    returning job.id`;
  return rows.map(({ id }) => id);
}

/** The same for everything new that an incarnation holds. @returns how many */
export async function releaseNewJobsOf(sql: Sql, incarnationId: number): Promise<number> {
  const rows = await sql`
    update job set handler = assigned_handler, incarnation_id = null, update_time = now()
    where incarnation_id = ${incarnationId} and state in ('new', 'resubmitted')
    returning id`;
  return rows.length;
}
