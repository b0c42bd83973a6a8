import { bigintOid, type Database, type Sql } from "../sql.ts";
import type { JobRow } from "../rows.ts";

export interface ClaimRequest {
  readonly incarnationId: number;
  readonly serverName: string;
  /** What it listens to besides its own name: tags, `_default_` among them for untagged handlers. */
  readonly tags: readonly string[];
  /** Jobs at most. */
  readonly limit: number;
  /** Users of whom it has enough jobs in hand that wait. */
  readonly exceptUsers?: readonly number[];
  /** Tools of which it has enough jobs in hand that wait. */
  readonly exceptTools?: readonly string[];
}

/**
 * Takes unclaimed new jobs, oldest first, for one handler: those assigned to its name or to one of its tags
 * (galaxy.md 2.4; the stamp of incarnation and fence is ours, DESIGN.md promise 1). Rows that another handler is taking at
 * the moment are passed over, so any number of handlers share a pool without waiting for each other. Nothing is taken while
 * the job lock is on.
 */
export function claimJobsSkippingLocked(sql: Sql, request: ClaimRequest): Promise<JobRow[]> {
  return claimJobs(sql, request, sql`for update skip locked`);
}

/**
 * The same without SKIP LOCKED: at SERIALIZABLE, PostgreSQL lets one of several handlers have a row and fails the others
 * (galaxy.md 2.4).
 * @throws PostgresError 40001 when another handler took one of the rows; nothing was taken then
 */
export function claimJobsSerializably(database: Database, request: ClaimRequest): Promise<JobRow[]> {
  return database.begin("isolation level serializable", (sql) => claimJobs(sql, request, sql``));
}

async function claimJobs(sql: Sql, request: ClaimRequest, locking: ReturnType<Sql>): Promise<JobRow[]> {
  const { exceptUsers = [], exceptTools = [] } = request;
  const rows = await sql<JobRow[]>`
    update job set handler = ${request.serverName}, incarnation_id = ${request.incarnationId}, fence = fence + 1, update_time = now()
    where id = any(array(
      select id from job
      where state in ('new', 'resubmitted') and incarnation_id is null
        and handler = any(${sql.array([request.serverName, ...request.tags])})
        and (state = 'new' or resubmit_after <= now())
        and not exists (select from instance_setting where name = 'job_lock' and value = 'true')
        ${exceptUsers.length === 0 ? sql`` : sql`and (user_id is null or user_id <> all(${sql.array([...exceptUsers], bigintOid)}))`}
        ${exceptTools.length === 0 ? sql`` : sql`and tool_id <> all(${sql.array([...exceptTools])})`}
      order by id
      limit ${request.limit}
      ${locking}
    ))
    and state in ('new', 'resubmitted') and incarnation_id is null
    returning *`;
  return [...rows].toSorted((a, b) => a.id - b.id);
}
