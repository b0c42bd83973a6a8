import type { Fragment, Sql } from "../sql.ts";

/** How far a queue has come, as an expression: tickets up to it have been claimed, but for what had to be passed over. */
export function virtualTime(sql: Sql, queue: Fragment): Fragment {
  return sql`coalesce((select max(passed.ticket) from pool_virtual_time passed where passed.pool = ${queue}), 0)`;
}

/**
 * A job's ticket in another queue than the one that it waits in, as an expression for an update of `job`: as far behind the
 * virtual time as it was. Between two queues of one name it stays the same.
 */
export function ticketInQueue(sql: Sql, from: Fragment, to: Fragment): Fragment {
  return sql`case when ${from} = ${to} then job.ticket
    else greatest(0, job.ticket - ${virtualTime(sql, from)}) + ${virtualTime(sql, to)} end`;
}

/**
 * The ticket of a job that was claimed and goes back to a queue, as an expression for an update of `job`: it keeps its place. One
 * that was claimed from another queue, whose tickets may be far ahead, comes up next.
 */
export function ticketOfReleased(sql: Sql, queue: Fragment): Fragment {
  return sql`least(job.ticket, ${virtualTime(sql, queue)})`;
}
