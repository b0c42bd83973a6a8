import type { Sql } from "../sql.ts";

/**
 * A job was given to this handler (galaxy.md 1.7). A drained one declines: the job is offered to all handlers of its tag.
 * @returns the handler or tag that it is assigned to now; undefined when another had it already, or it was deleted
 */
export async function assignJobIfUnassigned(
  sql: Sql,
  jobId: number,
  serverName: string,
): Promise<string | undefined> {
  const [row] = await sql<{ handler: string }[]>`
    update job set update_time = now(), handler = case
      when exists (select from handler_drain where server_name = ${serverName}) then coalesce(assigned_handler, ${serverName})
      else ${serverName} end,
      ticket = case when handler is null then next_ticket(${serverName}, user_id, priority) else ticket end
    where id = ${jobId} and state = 'new' and incarnation_id is null and (handler is null or handler = ${serverName})
    returning handler`;
  return row?.handler;
}

/**
 * Offers jobs whose message was lost, with the process that had it, to all handlers of their tag.
 * @param age seconds that a message may take
 * @returns how many
 */
export async function offerUnassignedJobs(sql: Sql, tags: readonly string[], age: number): Promise<number> {
  const rows = await sql`
    update job set handler = assigned_handler, update_time = now(), ticket = next_ticket(assigned_handler, user_id, priority)
    where id in (
      select id from job
      where state = 'new' and handler is null and incarnation_id is null and assigned_handler = any(${sql.array([...tags])})
        and update_time < now() - make_interval(secs => ${age})
      for update skip locked)
    returning id`;
  return rows.length;
}

/** The live handlers of a tag that take jobs, for assignment at random (galaxy.md 2.3, db-preassign). */
export async function liveHandlersOf(sql: Sql, tag: string): Promise<string[]> {
  const rows = await sql<{ serverName: string }[]>`
    select server_name from handler_incarnation 
    where end_time is null and ${tag} = any(tags) and heartbeat_time > now() - make_interval(secs => lease_seconds)
      and server_name not in (select server_name from handler_drain)
    order by server_name`;
  return rows.map(({ serverName }) => serverName);
}

/** Of these server names those that have a live process and take jobs. */
export async function liveAmong(sql: Sql, serverNames: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ serverName: string }[]>`
    select server_name from handler_incarnation where end_time is null and server_name = any(${sql.array([...serverNames])})
      and heartbeat_time > now() - make_interval(secs => lease_seconds)
      and server_name not in (select server_name from handler_drain)`;
  return new Set(rows.map(({ serverName }) => serverName));
}
