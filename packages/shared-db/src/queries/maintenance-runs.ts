import type { Database, Json, Sql } from "../sql.ts";

export interface MaintenanceRun {
  readonly id: number;
  readonly task: string;
  /** The minute for which it was due. */
  readonly slot: Date;
  readonly serverName: string;
  readonly hostname: string;
  readonly startTime: Date;
  readonly endTime: Date | null;
  /** `lost`: its process ended before it did. Null while it runs. */
  readonly outcome: "done" | "failed" | "lost" | null;
  /** What it did, by name. */
  readonly counts: Readonly<Record<string, number>> | null;
  readonly error: string | null;
}

/** Never `*`: see job-columns.ts. */
const columns = (sql: Sql) =>
  sql`id, task, slot, server_name, hostname, start_time, end_time, outcome, counts, error`;

/**
 * Takes a task's run of the present minute, unless another process has it or runs the task still; when it is taken, holds the
 * task's lock while `work` runs and leaves a row with what came of it. The lock ends with this process's connection, so a
 * process that dies keeps nobody out.
 * @returns the row, or undefined when the run is somebody else's
 */
export async function runMaintenanceIfFree(
  database: Database,
  run: { readonly task: string; readonly serverName: string; readonly hostname: string },
  work: () => Promise<Readonly<Record<string, number>>>,
): Promise<MaintenanceRun | undefined> {
  const connection = await database.reserve();
  const key = `galaxy-jobs maintenance ${run.task}`;
  try {
    const [lock] = await connection<{ taken: boolean }[]>`
      select pg_try_advisory_lock(hashtextextended(${key}, 0)) as taken`;
    if (lock?.taken !== true) return undefined;
    try {
      // The lock is ours: whatever of this task has no end has lost its process.
      await connection`
        update maintenance_run set end_time = now(), outcome = 'lost' where task = ${run.task} and end_time is null`;
      const [row] = await connection<{ id: number }[]>`
        insert into maintenance_run (task, slot, server_name, hostname)
        values (${run.task}, date_trunc('minute', now()), ${run.serverName}, ${run.hostname})
        on conflict on constraint maintenance_run_once_a_slot do nothing returning id`;
      return row === undefined ? undefined : await carryOut(connection, row.id, work);
    } finally {
      await connection`select pg_advisory_unlock(hashtextextended(${key}, 0))`.catch(() => undefined);
    }
  } finally {
    connection.release();
  }
}

async function carryOut(
  sql: Sql,
  id: number,
  work: () => Promise<Readonly<Record<string, number>>>,
): Promise<MaintenanceRun> {
  try {
    const counts = await work();
    return await writeEnd(sql, id, { outcome: "done", counts, error: null });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return writeEnd(sql, id, { outcome: "failed", counts: {}, error: text });
  }
}

async function writeEnd(
  sql: Sql,
  id: number,
  end: {
    readonly outcome: "done" | "failed";
    readonly counts: Readonly<Record<string, number>>;
    readonly error: string | null;
  },
): Promise<MaintenanceRun> {
  const [row] = await sql<MaintenanceRun[]>`
    update maintenance_run set end_time = clock_timestamp(), outcome = ${end.outcome}, error = ${end.error},
      counts = ${sql.json(end.counts as Json)}
    where id = ${id} returning ${columns(sql)}`;
  return row!;
}

/** The newest runs, newest first. */
export async function listMaintenanceRuns(
  sql: Sql,
  filter: { readonly task?: string; readonly limit: number },
): Promise<MaintenanceRun[]> {
  return sql<MaintenanceRun[]>`
    select ${columns(sql)} from maintenance_run
    where ${filter.task === undefined ? sql`true` : sql`task = ${filter.task}`}
    order by id desc limit ${filter.limit}`;
}

/** Forgets runs that began more than `days` ago. @returns how many */
export async function pruneMaintenanceRuns(sql: Sql, days: number): Promise<number> {
  const rows = await sql`
    delete from maintenance_run where start_time < now() - make_interval(days => ${days}) and end_time is not null returning id`;
  return rows.length;
}
