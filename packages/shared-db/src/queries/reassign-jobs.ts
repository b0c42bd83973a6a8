import type { Database, Sql } from "../sql.ts";
import { recordOperatorAction } from "./operator-actions.ts";
import { unclaimed } from "./unclaimed.ts";
import { ticketInQueue } from "./virtual-time.ts";

export interface Reassignment {
  readonly from: string;
  /** A handler's server name, or a tag. */
  readonly to: string;
  readonly actor: string;
  /** Also what is under way: offered to `to`, and watched by the present handler until somebody takes it. */
  readonly started: boolean;
}

export interface Reassigned {
  /** Not started, and `to`'s now. */
  readonly moved: number;
  /** Under way, and offered to `to`. */
  readonly offered: number;
}

/**
 * Gives the jobs of a handler, dead or alive, to another one or to a pool: those assigned to its name and those it has claimed,
 * whether ready or not. The fence grows, so a late write of the handler changes nothing. A job that the handler starts at this
 * very moment stays with it: each change checks the state again under the row's lock.
 */
export async function reassignJobs(database: Database, reassignment: Reassignment): Promise<Reassigned> {
  const { from, to, actor, started } = reassignment;
  return database.begin(async (sql) => {
    const moved = await moveUnstarted(sql, from, to);
    const offered = started ? await offerStarted(sql, from, to) : 0;
    await recordOperatorAction(sql, {
      actor,
      action: "reassign",
      serverName: from,
      details: { to, moved, ...(started ? { offered } : {}) },
    });
    return { moved, offered };
  });
}

async function moveUnstarted(sql: Sql, from: string, to: string): Promise<number> {
  const rows = await sql`
    update job set handler = ${to}, assigned_handler = ${to}, assigned_tag = null, incarnation_id = null, fence = fence + 1, wait_reason = null,
      wait_reason_time = null, update_time = now(),
      ticket = ${ticketInQueue(sql, sql`coalesce(job.assigned_handler, ${from})`, sql`${to}::text`)}
    where state in ('new', 'resubmitted', 'waiting', 'paused') and (
      id = any(array(
        select id from job where handler = ${from} and ${unclaimed(sql)}
        order by id for no key update))
      or id = any(array(
        select id from job where assigned_handler = ${from} and state in ('waiting', 'paused') order by id for no key update))
      or id = any(array(
        select id from job
        where incarnation_id in (select id from handler_incarnation where server_name = ${from}) and state in ('new', 'resubmitted')
        order by id for no key update)))
    returning id`;
  return rows.length;
}

async function offerStarted(sql: Sql, from: string, to: string): Promise<number> {
  const rows = await sql`
    update job set handed_to = ${to}, update_time = now()
    where state in ('queued', 'running')
      and incarnation_id in (select id from handler_incarnation where server_name = ${from})
    returning id`;
  return rows.length;
}
