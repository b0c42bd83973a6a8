import { jobColumns } from "../job-columns.ts";
import type { JobRow } from "../rows.ts";
import type { Sql } from "../sql.ts";

/** A job in an administrator's listing. */
export interface JobListing {
  readonly id: number;
  readonly toolId: string;
  readonly state: JobRow["state"];
  readonly handler: string | null;
  readonly userEmail: string | null;
  readonly createTime: Date;
  readonly updateTime: Date;
  readonly exitCode: number | null;
  readonly info: string | null;
}

/** The newest jobs of all users, for administrators. */
export async function browseJobs(
  sql: Sql,
  filter: {
    readonly states?: readonly string[];
    readonly toolId?: string;
    readonly handler?: string;
    readonly userId?: number;
    readonly limit: number;
  },
): Promise<JobListing[]> {
  return sql<JobListing[]>`
    select job.id, job.tool_id, job.state, job.handler, galaxy_user.email as user_email, job.create_time, job.update_time,
      job.exit_code, job.info
    from job left join galaxy_user on galaxy_user.id = job.user_id
    where ${filter.states === undefined ? sql`true` : sql`job.state = any(${sql.array([...filter.states])})`}
      and ${filter.toolId === undefined ? sql`true` : sql`job.tool_id = ${filter.toolId}`}
      and ${filter.handler === undefined ? sql`true` : sql`job.handler = ${filter.handler}`}
      and ${filter.userId === undefined ? sql`true` : sql`job.user_id = ${filter.userId}`}
    order by job.id desc
    limit ${filter.limit}`;
}

/** One job with all its columns; undefined when there is none. */
export async function findJob(sql: Sql, id: number): Promise<JobRow | undefined> {
  const [job] = await sql<JobRow[]>`select ${jobColumns(sql)} from job where id = ${id}`;
  return job;
}

export interface JobHistoryEntry {
  readonly createTime: Date;
  readonly state: JobRow["state"];
  readonly info: string | null;
}

/** The states a job has been in, first to last. */
export async function jobHistory(sql: Sql, jobId: number): Promise<JobHistoryEntry[]> {
  return sql<JobHistoryEntry[]>`
    select create_time, state, info from job_state_history where job_id = ${jobId} order by id`;
}

export interface PoolRow {
  readonly tag: string;
  /** Unclaimed new jobs. */
  readonly jobsWaiting: number;
  /** Names of its live handlers. */
  readonly handlers: readonly string[];
  /** Those of them that are drained. */
  readonly drained: readonly string[];
}

/** The pools that have handlers or jobs: a tag with jobs and no handler is in trouble. */
export async function listPools(sql: Sql): Promise<PoolRow[]> {
  return sql<PoolRow[]>`
    with served as (
      select unnest(tags) as tag, server_name from handler_incarnation where end_time is null
    ), waiting as (
      select handler as tag, count(*)::int as jobs from job where state = 'new' and incarnation_id is null group by handler
    )
    select coalesce(served.tag, waiting.tag) as tag, coalesce(max(waiting.jobs), 0) as jobs_waiting,
      coalesce(array_agg(served.server_name order by served.server_name) filter (where served.server_name is not null), '{}') as handlers,
      coalesce(array_agg(served.server_name order by served.server_name)
        filter (where served.server_name in (select server_name from handler_drain)), '{}') as drained
    from served full join waiting on waiting.tag = served.tag
    group by 1 order by 1`;
}
