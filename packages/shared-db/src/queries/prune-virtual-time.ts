import type { Sql } from "../sql.ts";

/**
 * Forgets how far the queues had come before: of each, the largest ticket counts.
 * @param most rows in one call
 * @returns how many
 */
export async function pruneVirtualTime(sql: Sql, most: number): Promise<number> {
  const rows = await sql`
    delete from pool_virtual_time where ctid = any(array(
      select passed.ctid from pool_virtual_time passed
      where passed.ticket < (select max(newest.ticket) from pool_virtual_time newest where newest.pool = passed.pool)
      limit ${most} for update skip locked))
    returning 1`;
  return rows.length;
}
