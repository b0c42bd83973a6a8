import type { Sql } from "../sql.ts";

export interface HistoryRow {
  readonly id: number;
  readonly createTime: Date;
  readonly updateTime: Date;
  readonly userId: number | null;
  readonly name: string;
  readonly deleted: boolean;
  readonly purged: boolean;
}

/** Never `*`: see job-columns.ts. */
const columns = (sql: Sql) => sql`id, create_time, update_time, user_id, name, deleted, purged`;

/** The history that a user's jobs go to when none is named; made at first use, once. */
export async function ensureDefaultHistory(sql: Sql, userId: number): Promise<HistoryRow> {
  const find = () =>
    sql<HistoryRow[]>`select ${columns(sql)} from history where user_id = ${userId} and is_default`;
  const [found] = await find();
  if (found !== undefined) return found;
  await sql`insert into history (user_id, is_default) values (${userId}, true) on conflict do nothing`;
  return (await find())[0]!;
}

export async function createHistory(sql: Sql, userId: number, name: string): Promise<HistoryRow> {
  const [row] = await sql<
    HistoryRow[]
  >`insert into history (user_id, name) values (${userId}, ${name}) returning ${columns(sql)}`;
  return row!;
}

export async function findHistory(sql: Sql, id: number): Promise<HistoryRow | undefined> {
  const [row] = await sql<HistoryRow[]>`select ${columns(sql)} from history where id = ${id}`;
  return row;
}

export async function listHistories(sql: Sql, userId: number): Promise<HistoryRow[]> {
  return sql<
    HistoryRow[]
  >`select ${columns(sql)} from history where user_id = ${userId} and not deleted order by update_time desc limit 1000`;
}
