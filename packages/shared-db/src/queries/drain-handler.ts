import type { Database, Sql } from "../sql.ts";
import { recordOperatorAction } from "./operator-actions.ts";
import { unclaimed } from "./unclaimed.ts";
import { ticketInQueue } from "./virtual-time.ts";

/** What went back to where it was assigned. */
export interface GivenBack {
  readonly jobs: number;
  /** The handler ids and tags that have something to claim now. */
  readonly names: readonly string[];
}

export interface Drained extends GivenBack {
  /** False when it was drained already. */
  readonly changed: boolean;
  readonly drainTime: Date;
  readonly drainedBy: string;
}

/**
 * From now on a server name takes nothing new, over restarts too, and what it had claimed and not started goes back to what it
 * was assigned to. The fence of those grows, so a late write of the handler changes nothing. Its started jobs stay with it. A
 * claim that is under way at this moment may still have its jobs; the handler gives them back by itself
 * (`releaseJobsIfDrained`).
 */
export async function drainHandler(
  database: Database,
  { serverName, actor }: { readonly serverName: string; readonly actor: string },
): Promise<Drained> {
  const changed = await database`
    insert into handler_drain (server_name, requested_by) values (${serverName}, ${actor})
    on conflict (server_name) do nothing returning server_name`;
  // A statement of its own: what is claimed from now on sees the row above.
  return database.begin(async (sql) => {
    const [drain] = await sql<{ drainTime: Date; drainedBy: string }[]>`
      select drain_time, requested_by as drained_by from handler_drain where server_name = ${serverName}`;
    const given = await giveBack(sql, serverName);
    if (changed.length > 0 || given.jobs > 0)
      await recordOperatorAction(sql, {
        actor,
        action: "drain",
        serverName,
        details: { givenBack: given.jobs },
      });
    // Somebody may have resumed it in between.
    const now = { drainTime: drain?.drainTime ?? new Date(), drainedBy: drain?.drainedBy ?? actor };
    return { changed: changed.length > 0, ...now, ...given };
  });
}

async function giveBack(sql: Sql, serverName: string): Promise<GivenBack> {
  const rows = await sql<{ name: string; count: number }[]>`
    with changed as (
      update job set handler = coalesce(assigned_tag, assigned_handler, handler),
        assigned_handler = coalesce(assigned_tag, assigned_handler), incarnation_id = null, fence = fence + 1, wait_reason = null,
        wait_reason_time = null, update_time = now(),
        ticket = ${ticketInQueue(sql, queueOfGivenBack(sql), sql`coalesce(job.assigned_tag, job.assigned_handler, job.handler)`)}
      where state in ('new', 'resubmitted') and (
        id = any(array(
          select id from job
          where incarnation_id in (select id from handler_incarnation where server_name = ${serverName})
            and state in ('new', 'resubmitted')
          order by id for no key update))
        -- What a message had given it, and what it was chosen for among the handlers of a tag.
        or id = any(array(
          select id from job
          where handler = ${serverName} and coalesce(assigned_tag, assigned_handler) <> handler and ${unclaimed(sql)}
          order by id for no key update)))
      returning handler
    )
    select handler as name, count(*)::int as count from changed group by handler`;
  return { jobs: rows.reduce((sum, { count }) => sum + count, 0), names: rows.map(({ name }) => name) };
}

/** Where the ticket of a job counts that goes back: what is claimed has it from where it was assigned. */
function queueOfGivenBack(sql: Sql) {
  return sql`case when job.incarnation_id is null then job.handler else coalesce(job.assigned_handler, job.handler) end`;
}

/**
 * What a handler has claimed and not started goes back, if it is drained: the handler's own part of a drain, for claims that
 * were under way when it came.
 */
export async function releaseJobsIfDrained(
  sql: Sql,
  { incarnationId, serverName }: { readonly incarnationId: number; readonly serverName: string },
): Promise<GivenBack> {
  const rows = await sql<{ name: string; count: number }[]>`
    with changed as (
      update job set handler = coalesce(assigned_tag, assigned_handler, handler),
        assigned_handler = coalesce(assigned_tag, assigned_handler), incarnation_id = null, fence = fence + 1, wait_reason = null,
        wait_reason_time = null, update_time = now(),
        ticket = ${ticketInQueue(sql, queueOfGivenBack(sql), sql`coalesce(job.assigned_tag, job.assigned_handler, job.handler)`)}
      where incarnation_id = ${incarnationId} and state in ('new', 'resubmitted')
        and exists (select from handler_drain where server_name = ${serverName})
      returning handler
    )
    select handler as name, count(*)::int as count from changed group by handler`;
  return { jobs: rows.reduce((sum, { count }) => sum + count, 0), names: rows.map(({ name }) => name) };
}

/** Whether a server name takes nothing new. */
export async function isDrained(sql: Sql, serverName: string): Promise<boolean> {
  const rows = await sql`select from handler_drain where server_name = ${serverName}`;
  return rows.length === 1;
}
