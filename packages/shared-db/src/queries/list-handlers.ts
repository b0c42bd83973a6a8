import type { Sql } from "../sql.ts";
import { unclaimed } from "./unclaimed.ts";

/** A handler by its server name: its live process, or its last one. */
export interface HandlerRow {
  readonly serverName: string;
  /** Its process has not ended, as far as anybody knows: see `heartbeatAge`. */
  readonly live: boolean;
  /** Null, as all that only a process has, for a name that never had one. */
  readonly hostname: string | null;
  readonly pid: number | null;
  readonly tags: readonly string[];
  readonly version: string | null;
  /** See schema-compatibility.ts. */
  readonly protocol: number | null;
  readonly startTime: Date | null;
  readonly heartbeatTime: Date | null;
  /** Seconds, by the database's clock. */
  readonly heartbeatAge: number | null;
  /** Seconds without a heartbeat after which others take over its jobs. */
  readonly leaseSeconds: number | null;
  readonly endTime: Date | null;
  readonly endReason: string | null;
  /** Null when it takes jobs. */
  readonly drainTime: Date | null;
  readonly drainedBy: string | null;
  /** Claimed and not started. */
  readonly jobsClaimed: number;
  readonly jobsQueued: number;
  readonly jobsRunning: number;
  /** Asked to end. */
  readonly jobsEnding: number;
  /** The sum of these four. */
  readonly jobsInHand: number;
  /** Wait for this very handler, and are not claimed. */
  readonly jobsAssigned: number;
}

/**
 * Handlers with what they have in hand, by server name.
 * @param which default: those with a live process. `all`: also those that ended, were drained, or have jobs assigned to their
 *   name by an id of job_conf that never had a process
 */
export async function listHandlers(
  sql: Sql,
  which: { readonly all?: boolean; readonly serverName?: string; readonly defined?: readonly string[] } = {},
): Promise<HandlerRow[]> {
  const { all = false, serverName, defined = [] } = which;
  const wanted = serverName === undefined ? sql`true` : sql`server_name = ${serverName}`;
  const names =
    all || serverName !== undefined
      ? sql`
        select server_name from handler_incarnation where ${wanted}
        union select server_name from handler_drain where ${wanted}
        union select server_name from unnest(${sql.array([...defined])}::text[]) as d (server_name) where ${wanted}`
      : sql`select server_name from handler_incarnation where end_time is null`;
  return sql<HandlerRow[]>`
    with names as (${names}), last as (
      select distinct on (h.server_name) h.* from handler_incarnation h join names using (server_name)
      order by h.server_name, (h.end_time is null) desc, h.id desc
    )
    select n.server_name, h.id is not null and h.end_time is null as live, h.hostname, h.pid, coalesce(h.tags, '{}') as tags, h.version, h.protocol,
      h.start_time, h.heartbeat_time, h.lease_seconds, extract(epoch from now() - h.heartbeat_time)::float8 as heartbeat_age, h.end_time, h.end_reason,
      d.drain_time, d.requested_by as drained_by,
      held.claimed as jobs_claimed, held.queued as jobs_queued, held.running as jobs_running, held.ending as jobs_ending,
      held.total as jobs_in_hand, unclaimed.ready + unclaimed.not_ready as jobs_assigned
    from names n
    left join last h on h.server_name = n.server_name
    left join handler_drain d on d.server_name = n.server_name
    cross join lateral (
      select count(*) filter (where state in ('new', 'resubmitted'))::int as claimed,
        count(*) filter (where state = 'queued')::int as queued, count(*) filter (where state = 'running')::int as running,
        count(*) filter (where state in ('deleting', 'stopping'))::int as ending, count(*)::int as total
      from job
      where incarnation_id = any(array(select id from handler_incarnation i where i.server_name = n.server_name))
        and state in ('new', 'queued', 'running', 'deleting', 'stopping', 'resubmitted')
    ) as held
    cross join lateral (
      select
        (select count(*)::int from job where handler = n.server_name and ${unclaimed(sql)}) as ready,
        (select count(*)::int from job where assigned_handler = n.server_name and state in ('waiting', 'paused')) as not_ready
    ) as unclaimed
    order by n.server_name`;
}

/** Whether jobs that have not ended are assigned to a name, be it a handler's or a tag's. */
export async function hasAssignedJobs(sql: Sql, name: string): Promise<boolean> {
  const [row] = await sql<{ found: boolean }[]>`
    select exists (select from job where handler = ${name} and ${unclaimed(sql)})
      or exists (select from job where assigned_handler = ${name} and state in ('waiting', 'paused')) as found`;
  return row!.found;
}
