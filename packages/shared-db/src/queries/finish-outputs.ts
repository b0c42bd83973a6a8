import { bigintOid, type Json, type Sql } from "../sql.ts";
import type { DatasetState } from "../rows.ts";
import type { FinishedJob } from "./finish-job.ts";

/** What became of one output: its dataset's last state and what its file holds. */
export interface FinishedOutput {
  /** The history_dataset_association. */
  readonly id: number;
  readonly state: DatasetState;
  readonly fileSize: number | null;
  readonly peek: string | null;
  readonly info: string | null;
}

/** Writes the outputs of jobs whose ends the same transaction has written. */
export async function writeOutputs(sql: Sql, jobs: readonly FinishedJob[]): Promise<void> {
  const ids = jobs.map(({ id }) => id);
  // Whoever locks several datasets does so in the order of their ids.
  await sql`select id from dataset where job_id = any(${sql.array(ids, bigintOid)}) order by id for no key update`;
  const outputs = jobs.flatMap(({ id: job, outputs: own }) => own.map((output) => ({ ...output, job })));
  if (outputs.length > 0) {
    await sql`
      with output as (
        select * from jsonb_to_recordset(${sql.json(outputs as unknown as Json)}::jsonb)
          as o (id bigint, job bigint, state text, "fileSize" bigint, peek text, info text)
      ), hda as (
        update history_dataset_association a set peek = output.peek, info = output.info, update_time = now()
        from output where a.id = output.id and a.id = any(${sql.array(
          outputs.map(({ id }) => id),
          bigintOid,
        )}::bigint[])
        returning a.dataset_id, output.job, output.state, output."fileSize" as file_size
      )
      update dataset set state = hda.state, file_size = hda.file_size, update_time = now()
      from hda where dataset.id = hda.dataset_id and dataset.job_id = hda.job`;
  }
  // Whatever a job was to make and is not listed was not made.
  const deleted = jobs.filter(({ state }) => state === "deleted").map(({ id }) => id);
  const others = jobs.filter(({ state }) => state !== "deleted").map(({ id }) => id);
  if (deleted.length > 0)
    await sql`
      update dataset set state = 'discarded', deleted = true, update_time = now()
      where job_id = any(${sql.array(deleted, bigintOid)}) and state = 'new'`;
  if (others.length > 0)
    await sql`
      update dataset set state = 'error', update_time = now()
      where job_id = any(${sql.array(others, bigintOid)}) and state = 'new'`;
}
