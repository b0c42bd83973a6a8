import type { Sql } from "../sql.ts";
import type { JobRow } from "../rows.ts";

export interface ClaimRequest {
  readonly incarnationId: number;
  readonly serverName: string;
  /** What it listens to besides its own name: tags, `_default_` among them for untagged handlers. */
  readonly tags: readonly string[];
  /** Jobs at most. */
  readonly limit: number;
}

/**
 * Takes unclaimed new jobs, oldest first, for one handler: those assigned to its name or to one of its tags
 * (galaxy.md 2.4; the stamp of incarnation and fence is ours, DESIGN.md promise 1). Rows that another handler is taking at
 * the moment are passed over, so any number of handlers share a pool without waiting for each other.
 */
export async function claimJobs(sql: Sql, request: ClaimRequest): Promise<JobRow[]> {
  const rows = await sql<JobRow[]>`
    update job set handler = ${request.serverName}, incarnation_id = ${request.incarnationId}, fence = fence + 1, update_time = now()
    where id = any(array(
      select id from job
      where state = 'new' and incarnation_id is null and handler = any(${sql.array([request.serverName, ...request.tags])})
      order by id
      limit ${request.limit}
      for update skip locked
    ))
    and state = 'new' and incarnation_id is null
    returning *`;
  return [...rows].toSorted((a, b) => a.id - b.id);
}
