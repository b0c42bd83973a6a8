import { jobColumns } from "../job-columns.ts";
import type { JobRow } from "../rows.ts";
import type { Json, Sql } from "../sql.ts";

export const jobSearchFields = ["tool", "handler", "runner", "user"] as const;

export interface JobSearchTerm {
  readonly field: (typeof jobSearchFields)[number];
  readonly text: string;
  /** The whole value; else a part of it in any case of letters. */
  readonly exact: boolean;
}

export interface JobFilter {
  /** Undefined: of all users. */
  readonly userId?: number | undefined;
  readonly states?: readonly string[] | undefined;
  readonly toolIds?: readonly string[] | undefined;
  /** SQL patterns: `%` stands for any text. */
  readonly toolIdsLike?: readonly string[] | undefined;
  readonly historyId?: number | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  readonly search?: readonly JobSearchTerm[] | undefined;
  readonly orderBy: "create_time" | "update_time";
  readonly limit: number;
  readonly offset: number;
}

export interface ListedJob extends JobRow {
  readonly userEmail: string | null;
}

/** Jobs for the API's list, newest first (galaxy.md 6.2). */
export async function listJobs(sql: Sql, filter: JobFilter): Promise<ListedJob[]> {
  const order = filter.orderBy === "create_time" ? sql`job.id desc` : sql`job.update_time desc, job.id desc`;
  const any = (texts: readonly string[]) => sql`any(${sql.array([...texts])})`;
  return sql<ListedJob[]>`
    select ${jobColumns(sql)}, galaxy_user.email as user_email
    from job left join galaxy_user on galaxy_user.id = job.user_id
    where ${filter.userId === undefined ? sql`true` : sql`job.user_id = ${filter.userId}`}
      and ${filter.states === undefined ? sql`true` : sql`job.state = ${any(filter.states)}`}
      and ${filter.toolIds === undefined ? sql`true` : sql`job.tool_id = ${any(filter.toolIds)}`}
      and ${filter.toolIdsLike === undefined ? sql`true` : sql`job.tool_id like ${any(filter.toolIdsLike)}`}
      and ${filter.historyId === undefined ? sql`true` : sql`job.history_id = ${filter.historyId}`}
      and ${filter.since === undefined ? sql`true` : sql`job.update_time >= ${filter.since}`}
      and ${filter.until === undefined ? sql`true` : sql`job.update_time <= ${filter.until}`}
      ${(filter.search ?? []).reduce((all, term) => sql`${all} and ${matches(sql, term)}`, sql``)}
    order by ${order} limit ${filter.limit} offset ${filter.offset}`;
}

function matches(sql: Sql, { field, text, exact }: JobSearchTerm) {
  const columns = {
    tool: sql`job.tool_id`,
    handler: sql`job.handler`,
    runner: sql`job.job_runner_name`,
    user: sql`galaxy_user.email`,
  };
  if (exact) return sql`${columns[field]} = ${text}`;
  return sql`${columns[field]} ilike ${`%${text.replaceAll(/[\\%_]/g, "\\$&")}%`}`;
}

/** A user's jobs of a tool with exactly these parameters, newest first (galaxy.md 6.2, POST /api/jobs/search). */
export async function findEqualJobs(
  sql: Sql,
  like: {
    readonly userId: number;
    readonly toolId: string;
    readonly toolVersion: string;
    readonly params: Readonly<Record<string, Json>>;
    readonly states: readonly string[];
    readonly historyId?: number | undefined;
    readonly limit: number;
  },
): Promise<JobRow[]> {
  return sql<JobRow[]>`
    select ${jobColumns(sql)} from job
    where user_id = ${like.userId} and tool_id = ${like.toolId} and tool_version = ${like.toolVersion}
      and params = ${sql.json({ ...like.params })}::jsonb and state = any(${sql.array([...like.states])})
      and ${like.historyId === undefined ? sql`true` : sql`history_id = ${like.historyId}`}
    order by id desc limit ${like.limit}`;
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

/**
 * State changes after a history row, oldest first.
 * @param userId of one user's jobs only
 */
export async function jobChangesAfter(
  sql: Sql,
  id: number,
  limit: number,
  userId?: number,
): Promise<JobChange[]> {
  return sql<JobChange[]>`
    select h.id, h.job_id, job.user_id, job.tool_id, h.state, h.create_time
    from job_state_history h join job on job.id = h.job_id
    where h.id > ${id} and ${userId === undefined ? sql`true` : sql`job.user_id = ${userId}`}
    order by h.id limit ${limit}`;
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
