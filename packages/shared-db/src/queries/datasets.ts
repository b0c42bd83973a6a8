import type { HistoryDatasetRow } from "../rows.ts";
import type { Sql } from "../sql.ts";

const columns = (sql: Sql) => sql`
  a.id, a.create_time, a.update_time, a.history_id, a.dataset_id, a.hid, a.name, a.extension, a.info, a.peek, a.visible,
  a.deleted or d.deleted as deleted, d.purged, d.uuid, s.state, d.file_size, d.job_id as creating_job_id, h.user_id
  from history_dataset_association a
  join dataset d on d.id = a.dataset_id
  join dataset_state s on s.dataset_id = d.id
  join history h on h.id = a.history_id`;

export async function findDataset(sql: Sql, id: number): Promise<HistoryDatasetRow | undefined> {
  const [row] = await sql<HistoryDatasetRow[]>`select ${columns(sql)} where a.id = ${id}`;
  return row;
}

/** A user's datasets, newest first. */
export async function listDatasets(
  sql: Sql,
  filter: {
    readonly userId: number;
    readonly historyId?: number;
    readonly limit: number;
    readonly offset: number;
  },
): Promise<HistoryDatasetRow[]> {
  return sql<HistoryDatasetRow[]>`
    select ${columns(sql)}
    where h.user_id = ${filter.userId} and not (a.deleted or d.deleted) and a.visible
      and ${filter.historyId === undefined ? sql`true` : sql`a.history_id = ${filter.historyId}`}
    order by a.id desc limit ${filter.limit} offset ${filter.offset}`;
}

/** Marks a dataset as deleted; with `purge` also that its file is gone. */
export async function deleteDataset(sql: Sql, id: number, purge: boolean): Promise<void> {
  await sql`update history_dataset_association set deleted = true, update_time = now() where id = ${id}`;
  if (!purge) return;
  await sql`
    update dataset set deleted = true, purged = true, update_time = now()
    where id = (select dataset_id from history_dataset_association where id = ${id})`;
}

/** Whether nobody wants anything any more of what a job makes: it has outputs, and all of them were deleted. */
export async function outputsAreDeleted(sql: Sql, jobId: number): Promise<boolean> {
  const [row] = await sql<{ deleted: boolean }[]>`
    select coalesce(bool_and(a.deleted or d.deleted), false) as deleted
    from job_to_output_dataset o
    join history_dataset_association a on a.id = o.dataset_id
    join dataset d on d.id = a.dataset_id
    where o.job_id = ${jobId}`;
  return row!.deleted;
}
