import type { Sql } from "../sql.ts";

/**
 * Forgets starts of handlers that ended more than `days` ago and own no job that is under way.
 * @param most rows in one call
 * @returns how many
 */
export async function pruneIncarnations(sql: Sql, days: number, most: number): Promise<number> {
  const rows = await sql`
    delete from handler_incarnation where id in (
      select h.id from handler_incarnation h
      where h.end_time < now() - make_interval(days => ${days})
        and not exists (
          select from job where job.incarnation_id = h.id
            and job.state in ('new', 'resubmitted', 'queued', 'running', 'deleting', 'stopping'))
      order by h.id limit ${most})
    returning id`;
  return rows.length;
}
