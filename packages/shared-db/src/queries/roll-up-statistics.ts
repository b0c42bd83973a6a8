import type { Database, Sql } from "../sql.ts";

/** Name of the setting that holds the last history row that was counted. */
const cursor = "statistics_cursor";

/**
 * Adds the ends of jobs since the last call to `job_statistics_hour`, each once: count and cursor change in one transaction.
 * @param settled only history rows older than this many seconds, so that none with a lower number is still to be committed
 * @param most history rows in one call
 * @returns history rows read
 */
export async function rollUpStatistics(
  database: Database,
  { settled, most }: { readonly settled: number; readonly most: number },
): Promise<number> {
  return database.begin(async (sql) => {
    await sql`insert into instance_setting (name, value) values (${cursor}, '0') on conflict do nothing`;
    const [row] = await sql<{ value: string }[]>`
      select value from instance_setting where name = ${cursor} for update`;
    const [range] = await sql<{ last: number | null; rows: number }[]>`
      select max(id)::bigint as last, count(*)::int as rows from (
        select id from job_state_history
        where id > ${Number(row!.value)} and create_time < now() - make_interval(secs => ${settled})
        order by id limit ${most}) as next`;
    if (range?.last == null) return 0;
    await sql`
      insert into job_statistics_hour (hour, tool_id, destination_id, state, jobs, wait_seconds, run_seconds, longest_run_seconds)
      select date_trunc('hour', h.create_time), job.tool_id, coalesce(job.destination_id, ''), h.state, count(*),
        coalesce(sum(extract(epoch from job.start_time - job.create_time)), 0),
        coalesce(sum(extract(epoch from job.end_time - job.start_time)), 0),
        coalesce(max(extract(epoch from job.end_time - job.start_time)), 0)
      from job_state_history h join job on job.id = h.job_id
      where h.id > ${Number(row!.value)} and h.id <= ${range.last} and h.state in ('ok', 'error', 'deleted')
      group by 1, 2, 3, 4
      on conflict (hour, tool_id, destination_id, state) do update set
        jobs = job_statistics_hour.jobs + excluded.jobs,
        wait_seconds = job_statistics_hour.wait_seconds + excluded.wait_seconds,
        run_seconds = job_statistics_hour.run_seconds + excluded.run_seconds,
        longest_run_seconds = greatest(job_statistics_hour.longest_run_seconds, excluded.longest_run_seconds)`;
    await sql`update instance_setting set value = ${String(range.last)} where name = ${cursor}`;
    return range.rows;
  });
}

/** How long jobs of some tools ran on average, seconds, of those that ended in the last `days`. */
export async function meanRunSeconds(
  sql: Sql,
  toolIds: readonly string[],
  days: number,
): Promise<Map<string, number>> {
  const rows = await sql<{ toolId: string; seconds: number }[]>`
    select tool_id, (sum(run_seconds) / greatest(sum(jobs), 1))::float8 as seconds from job_statistics_hour
    where tool_id = any(${sql.array([...toolIds])}) and state = 'ok' and hour > now() - make_interval(days => ${days})
    group by tool_id`;
  return new Map(rows.map(({ toolId, seconds }) => [toolId, seconds]));
}
