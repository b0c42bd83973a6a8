import type { Sql } from "../sql.ts";
import { ticketInQueue } from "./virtual-time.ts";

/**
 * Moves unclaimed jobs that were given to one handler of a tag, by name, to the tag itself when that handler has given no sign
 * of life for the time of its lease: the live handlers of the tag then take them. Jobs whose tool is mapped to a handler id
 * have no tag and wait. One probe of an index for each name that has jobs, however many they are.
 * @param request.limit jobs at most, so that no transaction is long
 * @returns the tags that have something to claim now, with the number of jobs
 */
export async function failOverPreassignedJobs(
  sql: Sql,
  { tags, limit }: { readonly tags: readonly string[]; readonly limit: number },
): Promise<{ name: string; jobs: number }[]> {
  if (tags.length === 0) return [];
  return sql<{ name: string; jobs: number }[]>`
    with recursive named as (
      (select min(handler) as handler from job
        where state in ('new', 'resubmitted') and incarnation_id is null and assigned_tag is not null and handler <> assigned_tag)
      union all
      select (select min(handler) from job
        where state in ('new', 'resubmitted') and incarnation_id is null and assigned_tag is not null and handler <> assigned_tag
          and handler > named.handler)
      from named where named.handler is not null
    ), silent as (
      select handler from named where handler is not null and not exists (
        select from handler_incarnation i
        where i.server_name = named.handler and i.heartbeat_time > now() - make_interval(secs => i.lease_seconds))
    ), moved as (
      update job set handler = assigned_tag, assigned_handler = assigned_tag, update_time = now(),
        ticket = ${ticketInQueue(sql, sql`job.handler`, sql`job.assigned_tag`)}
      where id in (
        select id from job
        where state in ('new', 'resubmitted') and incarnation_id is null and assigned_tag is not null and handler <> assigned_tag
          and handler in (select handler from silent) and assigned_tag = any(${sql.array([...tags])})
        order by id limit ${limit} for update skip locked)
      returning assigned_tag
    )
    select assigned_tag as name, count(*)::int as jobs from moved group by assigned_tag`;
}
