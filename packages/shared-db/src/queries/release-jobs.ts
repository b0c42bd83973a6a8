import type { JobOwnership } from "../rows.ts";
import type { Sql } from "../sql.ts";
import { ownershipArrays } from "./ownership.ts";
import { ticketOfReleased } from "./virtual-time.ts";

/**
 * Gives claimed jobs that were not started back to what they were assigned to. The fence grows, so that nothing of this claim
 * can write to the job any more.
 * @returns the ids that were given back
 */
export async function releaseJobsIfNew(sql: Sql, jobs: readonly JobOwnership[]): Promise<number[]> {
  const { ids, fences } = ownershipArrays(sql, jobs);
  const rows = await sql<{ id: number }[]>`
    update job set handler = assigned_handler, incarnation_id = null, fence = job.fence + 1, update_time = now(),
      ticket = ${ticketOfReleased(sql, sql`job.assigned_handler`)}
    from unnest(${ids}::bigint[], ${fences}::bigint[]) as mine (id, fence)
    where job.id = mine.id and job.fence = mine.fence and job.state in ('new', 'resubmitted')
    returning job.id`;
  return rows.map(({ id }) => id);
}
