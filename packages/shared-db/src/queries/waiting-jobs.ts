import type { JobState } from "../job-states.ts";
import type { Sql } from "../sql.ts";
import type { DatasetState, JobRow } from "../rows.ts";

/** A process that handles, or handled, the jobs of a name or tag. */
export interface ServingHandler {
  readonly serverName: string;
  readonly live: boolean;
  /** Its last sign of life. */
  readonly seen: Date;
  readonly jobsInHand: number;
  /** Null when it takes jobs. */
  readonly drainTime: Date | null;
  readonly drainedBy: string | null;
}

/** The handlers that take what is assigned to `name`: the handler of that name, and those with that tag; live ones first. */
export async function handlersServing(sql: Sql, name: string): Promise<ServingHandler[]> {
  return sql<ServingHandler[]>`
    select distinct on (h.server_name) h.server_name, coalesce(h.end_time, h.heartbeat_time) as seen,
      h.end_time is null and h.heartbeat_time > now() - make_interval(secs => h.lease_seconds) as live,
      (select count(*)::int from job where job.incarnation_id = h.id
        and job.state in ('new', 'queued', 'running', 'deleting', 'stopping', 'resubmitted')) as jobs_in_hand,
      d.drain_time, d.requested_by as drained_by
    from handler_incarnation h left join handler_drain d on d.server_name = h.server_name
    where h.server_name = ${name} or ${name} = any(h.tags)
    order by h.server_name, (h.end_time is null) desc, h.id desc`;
}

/** Unclaimed jobs that come before one in its queue: resubmitted ones whose delay is over, then new ones; counting stops at 10,000. */
export async function jobsAhead(sql: Sql, job: JobRow): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from (
      select from job where handler = ${job.handler} and state = 'resubmitted' and incarnation_id is null
        and resubmit_after <= ${job.state === "resubmitted" ? job.resubmitAfter : sql`now()`} and id <> ${job.id}
      union all
      select from job where handler = ${job.handler} and state = 'new' and incarnation_id is null
        and (ticket, id) < (${job.ticket}, ${job.id})
        and ${job.state !== "resubmitted"}
      limit 10000
    ) as ahead`;
  return row!.count;
}

/** An input that a job waits for, and the job that makes it. */
export interface AwaitedInput {
  readonly inputName: string;
  readonly hid: number;
  readonly name: string;
  readonly state: DatasetState;
  readonly jobId: number | null;
  readonly jobState: JobState | null;
}

export async function awaitedInputs(sql: Sql, jobId: number): Promise<AwaitedInput[]> {
  return sql<AwaitedInput[]>`
    select i.name as input_name, a.hid, a.name, s.state, maker.id as job_id, maker.state as job_state
    from job_to_input_dataset i
    join history_dataset_association a on a.id = i.dataset_id
    join dataset d on d.id = a.dataset_id
    join dataset_state s on s.dataset_id = d.id
    left join job maker on maker.id = d.job_id
    where i.job_id = ${jobId} and s.state not in ('ok', 'empty')
    order by a.hid`;
}

/** The incarnation that holds a job. */
export interface JobHolder {
  readonly serverName: string;
  readonly hostname: string;
  /** Its lease is not over. */
  readonly live: boolean;
  readonly ended: boolean;
  /** Its last sign of life. */
  readonly seen: Date;
  readonly leaseSeconds: number;
}

export async function holderOf(sql: Sql, incarnationId: number): Promise<JobHolder | undefined> {
  const [row] = await sql<JobHolder[]>`
    select server_name, hostname, end_time is not null as ended, coalesce(end_time, heartbeat_time) as seen, lease_seconds,
      end_time is null and heartbeat_time > now() - make_interval(secs => lease_seconds) as live
    from handler_incarnation where id = ${incarnationId}`;
  return row;
}
