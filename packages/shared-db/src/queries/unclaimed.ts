import type { Fragment, Sql } from "../sql.ts";

/**
 * Jobs that wait in a queue, as a condition. An `or`, so that PostgreSQL sees that the two partial indexes of queues have them
 * all; with `state in (…)` it would read the whole table.
 */
export function unclaimed(sql: Sql): Fragment {
  return sql`(state = 'new' or state = 'resubmitted') and incarnation_id is null`;
}
