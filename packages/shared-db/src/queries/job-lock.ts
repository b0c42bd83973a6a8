import type { Sql } from "../sql.ts";

/** Whether an administrator keeps all handlers from starting jobs (galaxy.md 1.8). */
export async function readJobLock(sql: Sql): Promise<boolean> {
  const rows = await sql`select from instance_setting where name = 'job_lock' and value = 'true'`;
  return rows.length === 1;
}

export async function writeJobLock(sql: Sql, active: boolean): Promise<void> {
  await sql`
    insert into instance_setting (name, value) values ('job_lock', ${String(active)})
    on conflict (name) do update set value = excluded.value`;
}
