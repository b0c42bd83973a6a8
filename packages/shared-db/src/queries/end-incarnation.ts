import { bigintOid, type Database, type Sql } from "../sql.ts";
import { ticketOfReleased } from "./virtual-time.ts";

/** A handler that was found dead, and what it had not started. */
export interface DeadIncarnation {
  readonly id: number;
  readonly serverName: string;
  readonly hostname: string;
  /** Seconds since its last heartbeat, by the database's clock. */
  readonly heartbeatAge: number;
}

export interface TakeOver {
  readonly dead: readonly DeadIncarnation[];
  readonly released: ReleasedJobs;
}

/** What went back to where it was assigned. */
export interface ReleasedJobs {
  readonly jobs: number;
  /** The handler ids and tags that have something to claim now. */
  readonly names: readonly string[];
}

/**
 * Ends the incarnations whose lease is over by the database's clock, and gives back what they had only claimed. The row lock
 * orders this against the incarnation's own statements: a heartbeat that came in between is seen here and spares it, a claim
 * that came in between is seen by the release, and a later one finds that it is dead. A restart of the database begins every
 * lease anew: nobody could renew one meanwhile.
 * @param poisonLimit see `releaseUnstartedOf`
 */
export async function endIncarnationsIfDead(
  database: Database,
  { exceptId, poisonLimit }: { readonly exceptId: number; readonly poisonLimit: number },
): Promise<TakeOver> {
  return database.begin(async (sql) => {
    const dead = await sql<DeadIncarnation[]>`
      select id, server_name, hostname, extract(epoch from now() - heartbeat_time)::float8 as heartbeat_age
      from handler_incarnation
      where settled_time is null and end_time is null and id <> ${exceptId}
        and greatest(heartbeat_time, pg_postmaster_start_time()) < now() - make_interval(secs => lease_seconds)
      order by id for update skip locked`;
    if (dead.length === 0) return { dead, released: { jobs: 0, names: [] } };
    const ids = dead.map(({ id }) => id);
    await sql`
      update handler_incarnation set end_time = now(), end_reason = 'lost' where id = any(${sql.array(ids, bigintOid)})`;
    return { dead, released: await releaseUnstartedOf(sql, ids, poisonLimit) };
  });
}

/**
 * Gives what dead incarnations had only claimed back to what it was assigned to. A job that was being prepared (it does not
 * wait for anything) is counted, since it may be what killed its handler; one that reaches the limit stays where it is, for an
 * adopter to fail it. The caller has ended the incarnations in the same transaction, under a lock `for update`.
 * @param poisonLimit deaths of handlers; 0: never
 */
export async function releaseUnstartedOf(
  sql: Sql,
  incarnationIds: readonly number[],
  poisonLimit: number,
): Promise<ReleasedJobs> {
  const rows = await sql<{ name: string; released: boolean; count: number }[]>`
    with changed as (
      update job set fence = job.fence + 1, update_time = now(),
        handler_deaths = job.handler_deaths + (job.wait_reason is null)::int,
        handler = case when poison.found then job.handler else coalesce(job.assigned_handler, job.handler) end,
        incarnation_id = case when poison.found then job.incarnation_id end,
        ticket = ${ticketOfReleased(sql, sql`coalesce(job.assigned_handler, job.handler)`)}
      from (
        select id, ${poisonLimit} > 0 and wait_reason is null and handler_deaths + 1 >= ${poisonLimit} as found from job
        where incarnation_id = any(${sql.array([...incarnationIds], bigintOid)}) and state in ('new', 'resubmitted')
        order by id for update
      ) as poison
      where job.id = poison.id
      returning job.handler, job.incarnation_id is null as released
    )
    select handler as name, released, count(*)::int as count from changed group by handler, released`;
  const back = rows.filter(({ released }) => released);
  return {
    jobs: back.reduce((sum, { count }) => sum + count, 0),
    names: back.map(({ name }) => name),
  };
}

/**
 * The clean end of a handler: what it had only claimed goes back at once, what it had started may be adopted.
 * @returns undefined when somebody else had ended it already
 */
export async function deregisterIncarnation(
  database: Database,
  incarnationId: number,
): Promise<ReleasedJobs | undefined> {
  return database.begin(async (sql) => {
    const held = await sql`
      select from handler_incarnation where id = ${incarnationId} and end_time is null for update`;
    if (held.length === 0) return undefined;
    await sql`
      update handler_incarnation set end_time = now(), heartbeat_time = now(), end_reason = 'stopped' where id = ${incarnationId}`;
    const rows = await sql<{ name: string; count: number }[]>`
      with changed as (
        update job set handler = coalesce(assigned_handler, handler), incarnation_id = null, fence = fence + 1, update_time = now(),
          ticket = ${ticketOfReleased(sql, sql`coalesce(job.assigned_handler, job.handler)`)}
        where incarnation_id = ${incarnationId} and state in ('new', 'resubmitted')
        returning handler
      )
      select handler as name, count(*)::int as count from changed group by handler`;
    await settleIncarnations(sql);
    return { jobs: rows.reduce((sum, { count }) => sum + count, 0), names: rows.map(({ name }) => name) };
  });
}

/** Marks the ended incarnations that hold no job any more. Nothing can come to them: a claim needs a live one. */
export async function settleIncarnations(sql: Sql): Promise<void> {
  await sql`
    update handler_incarnation set settled_time = now()
    where settled_time is null and end_time is not null and not exists (
      select from job where incarnation_id = handler_incarnation.id
        and state in ('new', 'queued', 'running', 'deleting', 'stopping', 'resubmitted'))`;
}

/** What a handler that watches over the others has to know. */
export interface Watch {
  /** Incarnations that ended and may have left jobs. */
  readonly ended: number;
  /** Seconds until the first lease of another would be over without a heartbeat; null without others. Not positive: it is over. */
  readonly nextExpiry: number | null;
}

export async function watchIncarnations(sql: Sql, exceptId: number): Promise<Watch> {
  const [row] = await sql<Watch[]>`
    select count(*) filter (where end_time is not null)::int as ended,
      min(extract(epoch from greatest(heartbeat_time, pg_postmaster_start_time()) - now())::float8 + lease_seconds) filter (where end_time is null) as next_expiry
    from handler_incarnation where settled_time is null and id <> ${exceptId}`;
  return row!;
}
