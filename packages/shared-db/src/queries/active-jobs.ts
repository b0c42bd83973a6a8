import { bigintOid, type Sql } from "../sql.ts";

/** Jobs that hold a slot: queued, running, or being ended. */
export interface ActiveCount {
  readonly userId: number | null;
  readonly destinationId: string;
  readonly count: number;
}

/**
 * Makes the caller's transaction the only one, of all handlers, that may give out slots of these limits, until it ends. The
 * counts must be read in a later statement, so that they hold what the one before committed.
 * @param scopes names of limits; two transactions that share one follow each other
 */
export async function lockLimits(sql: Sql, scopes: readonly string[]): Promise<void> {
  if (scopes.length === 0) return;
  await sql`
    select pg_advisory_xact_lock(key) from (
      select distinct hashtextextended('galaxy-jobs limit ' || scope, 0) as key
      from unnest(${sql.array([...scopes])}::text[]) as scope order by key
    ) as ordered`;
}

/** The active jobs of some users on every destination, and of every user on some destinations (galaxy.md 3.7). */
export async function countActiveJobs(
  sql: Sql,
  { users, destinations }: { readonly users: readonly number[]; readonly destinations: readonly string[] },
): Promise<ActiveCount[]> {
  return sql<ActiveCount[]>`
    select user_id, destination_id, count(*)::int as count from job
    where state in ('queued', 'running', 'deleting', 'stopping') and run_fence is not null and destination_id is not null
      and (user_id = any(${sql.array([...users], bigintOid)}) or destination_id = any(${sql.array([...destinations])}))
    group by user_id, destination_id`;
}

/** Seconds that a user's ok jobs ran, of those that ended in the last days (galaxy.md 3.7, total_walltime). */
export async function totalRunSeconds(sql: Sql, userId: number, windowDays: number): Promise<number> {
  const [row] = await sql<{ seconds: number }[]>`
    select coalesce(extract(epoch from sum(end_time - start_time)), 0)::float8 as seconds from job
    where user_id = ${userId} and state = 'ok' and end_time > now() - make_interval(days => ${windowDays})`;
  return row!.seconds;
}
