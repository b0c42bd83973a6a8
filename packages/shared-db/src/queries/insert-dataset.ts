import { randomUUID } from "node:crypto";
import type { DatasetState } from "../rows.ts";
import type { Sql } from "../sql.ts";

export interface NewDataset {
  readonly historyId: number;
  readonly jobId: number | null;
  readonly state: DatasetState;
  readonly name: string;
  readonly extension: string;
  readonly visible?: boolean;
  /** Given when the file was written before the row. */
  readonly uuid?: string;
  readonly fileSize?: number;
  readonly peek?: string | null;
}

/** A dataset and its place in a history, which gets the history's next number. @returns the association's id */
export async function insertDataset(
  sql: Sql,
  dataset: NewDataset,
): Promise<{ id: number; uuid: string; hid: number }> {
  const uuid = dataset.uuid ?? randomUUID();
  const [row] = await sql<{ id: number; hid: number }[]>`
    with counter as (
      update history set hid_counter = hid_counter + 1, update_time = now() where id = ${dataset.historyId} returning hid_counter - 1 as hid
    ), made as (
      insert into dataset (uuid, job_id, state, file_size) values (${uuid}, ${dataset.jobId}, ${dataset.state}, ${dataset.fileSize ?? null})
      returning id
    )
    insert into history_dataset_association (history_id, dataset_id, hid, name, extension, visible, peek)
    select ${dataset.historyId}, made.id, counter.hid, ${dataset.name}, ${dataset.extension}, ${dataset.visible ?? true}, ${dataset.peek ?? null}
    from made, counter
    returning id, hid`;
  return { id: row!.id, uuid, hid: row!.hid };
}
