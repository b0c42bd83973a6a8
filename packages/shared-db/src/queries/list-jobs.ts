import type { JobRow } from "../rows.ts";
import type { Sql } from "../sql.ts";

export interface JobFilter {
  /** Undefined: of all users. */
  readonly userId?: number;
  readonly states?: readonly string[];
  readonly toolIds?: readonly string[];
  readonly historyId?: number;
  readonly since?: Date;
  readonly until?: Date;
  readonly orderBy: "create_time" | "update_time";
  readonly limit: number;
  readonly offset: number;
}

/** Jobs for the API's list, newest first (galaxy.md 6.2). */
export async function listJobs(sql: Sql, filter: JobFilter): Promise<JobRow[]> {
  const order = filter.orderBy === "create_time" ? sql`job.id desc` : sql`job.update_time desc, job.id desc`;
  return sql<JobRow[]>`
    select * from job
    where ${filter.userId === undefined ? sql`true` : sql`user_id = ${filter.userId}`}
      and ${filter.states === undefined ? sql`true` : sql`state = any(${sql.array([...filter.states])})`}
      and ${filter.toolIds === undefined ? sql`true` : sql`tool_id = any(${sql.array([...filter.toolIds])})`}
      and ${filter.historyId === undefined ? sql`true` : sql`history_id = ${filter.historyId}`}
      and ${filter.since === undefined ? sql`true` : sql`update_time >= ${filter.since}`}
      and ${filter.until === undefined ? sql`true` : sql`update_time <= ${filter.until}`}
    order by ${order} limit ${filter.limit} offset ${filter.offset}`;
}

export interface JobChange {
  /** Of the history row: grows, but may become visible out of order. */
  readonly id: number;
  readonly jobId: number;
  readonly userId: number | null;
  readonly toolId: string;
  readonly state: JobRow["state"];
  readonly createTime: Date;
}

/** State changes after a history row, oldest first. */
export async function jobChangesAfter(sql: Sql, id: number, limit: number): Promise<JobChange[]> {
  return sql<JobChange[]>`
    select h.id, h.job_id, job.user_id, job.tool_id, h.state, h.create_time
    from job_state_history h join job on job.id = h.job_id
    where h.id > ${id} order by h.id limit ${limit}`;
}

/** The newest history row's id; 0 without any. */
export async function newestJobChange(sql: Sql): Promise<number> {
  const [row] = await sql<{ id: number }[]>`select coalesce(max(id), 0)::bigint as id from job_state_history`;
  return row!.id;
}

/** A job that the web tier did itself and that is over: an upload. */
export async function insertEndedJob(
  sql: Sql,
  job: {
    readonly userId: number;
    readonly historyId: number;
    readonly toolId: string;
    readonly version: string;
    readonly handler: string;
  },
): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    with made as (
      insert into job (user_id, history_id, tool_id, tool_version, galaxy_version, state, handler, assigned_handler, exit_code, start_time, end_time)
      values (${job.userId}, ${job.historyId}, ${job.toolId}, '1.0.0', ${job.version}, 'ok', ${job.handler}, ${job.handler}, 0, now(), now())
      returning id, state
    )
    insert into job_state_history (job_id, state) select id, state from made returning job_id as id`;
  return row!.id;
}

export async function linkOutput(sql: Sql, jobId: number, datasetId: number, name: string): Promise<void> {
  await sql`insert into job_to_output_dataset (job_id, dataset_id, name) values (${jobId}, ${datasetId}, ${name})`;
}

/** Jobs by state, for metrics. */
export async function countJobs(sql: Sql): Promise<{ state: string; count: number }[]> {
  return sql`select state, count(*)::int as count from job group by state`;
}
