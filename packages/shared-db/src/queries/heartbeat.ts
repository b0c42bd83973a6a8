import type { Sql } from "../sql.ts";

/**
 * Says that an incarnation is alive.
 * @returns false when the incarnation was ended by somebody else: the caller is fenced and must write nothing more
 */
export async function heartbeatIfLive(sql: Sql, incarnationId: number): Promise<boolean> {
  const rows = await sql`
    update handler_incarnation set heartbeat_time = now() where id = ${incarnationId} and end_time is null returning id`;
  return rows.length === 1;
}

export interface HandlerRow {
  readonly serverName: string;
  readonly hostname: string;
  readonly pid: number;
  readonly tags: readonly string[];
  readonly version: string;
  readonly startTime: Date;
  readonly heartbeatTime: Date;
  /** Seconds, by the database's clock. */
  readonly heartbeatAge: number;
  /** Seconds without a heartbeat after which others take over its jobs. */
  readonly leaseSeconds: number;
  readonly jobsClaimed: number;
  readonly jobsQueued: number;
  readonly jobsRunning: number;
}

/** The live handlers with what they have in hand, by server name. */
export async function listHandlers(sql: Sql): Promise<HandlerRow[]> {
  return sql<HandlerRow[]>`
    select h.server_name, h.hostname, h.pid, h.tags, h.version, h.start_time, h.heartbeat_time, h.lease_seconds,
      extract(epoch from now() - h.heartbeat_time)::float8 as heartbeat_age,
      count(*) filter (where job.state = 'new')::int as jobs_claimed,
      count(*) filter (where job.state = 'queued')::int as jobs_queued,
      count(*) filter (where job.state = 'running')::int as jobs_running
    from handler_incarnation h
    left join job on job.incarnation_id = h.id and job.state in ('new', 'queued', 'running')
    where h.end_time is null
    group by h.id
    order by h.server_name`;
}
