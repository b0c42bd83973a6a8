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
  /** It has a job in hand that may have killed a handler before: it takes no other such job beside it. */
  readonly exceptSuspects?: boolean;
}

/**
 * Takes unclaimed jobs for one handler: those assigned to its name or to one of its tags. First resubmitted ones whose delay is
 * over, without a look at the ready window (galaxy.md 3.8), then new ones, oldest first
 * (galaxy.md 2.4; the stamp of incarnation and fence is ours, DESIGN.md promise 1). Rows that another handler is taking at
 * the moment are passed over, so any number of handlers share a pool without waiting for each other. Nothing is taken while
 * the job lock is on, nor by a drained handler, nor by an incarnation that somebody has ended: the lock on its row makes a take-over wait for this
 * statement, and this statement see a take-over. Of the jobs whose handler died before, one at most is taken.
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
  const { exceptUsers = [], exceptTools = [], exceptSuspects = false } = request;
  const names = sql.array([request.serverName, ...request.tags]);
  const suspect = exceptSuspects
    ? sql``
    : sql`or id = (
        select min(id) from job where state in ('new', 'resubmitted') and incarnation_id is null and handler_deaths > 0
          and handler = any(${names}) and (state = 'new' or resubmit_after <= now()))`;
  const unclaimed = sql`
    incarnation_id is null and handler = any(${names}) and exists (select from me)
    and not exists (select from instance_setting where name = 'job_lock' and value = 'true')
    and not exists (select from handler_drain where server_name = ${request.serverName})
    and (handler_deaths = 0 ${suspect})
    ${exceptTools.length === 0 ? sql`` : sql`and tool_id <> all(${sql.array([...exceptTools])})`}`;
  const rows = await sql<JobRow[]>`
    with me as (
      select id from handler_incarnation where id = ${request.incarnationId} and end_time is null for key share
    ), due as (
      select id from job where state = 'resubmitted' and resubmit_after <= now() and ${unclaimed}
      order by resubmit_after, id
      limit ${request.limit}
      ${locking}
    ), fresh as (
      select id from job where state = 'new' and ${unclaimed}
        ${exceptUsers.length === 0 ? sql`` : sql`and (user_id is null or user_id <> all(${sql.array([...exceptUsers], bigintOid)}))`}
      order by id
      limit ${request.limit} - (select count(*) from due)
      ${locking}
    )
    update job set handler = ${request.serverName}, incarnation_id = ${request.incarnationId}, fence = fence + 1, wait_reason = null,
      update_time = now()
    where id = any(array(select id from due union all select id from fresh))
    and state in ('new', 'resubmitted') and incarnation_id is null
    returning *`;
  return [...rows].toSorted(inDispatchOrder);
}

/** Resubmitted jobs before new ones. */
export function inDispatchOrder(a: JobRow, b: JobRow): number {
  return Number(b.state === "resubmitted") - Number(a.state === "resubmitted") || a.id - b.id;
}
