import type { Sql } from "../sql.ts";
import type { DatasetState, HistoryDatasetRow } from "../rows.ts";

export interface JobInput {
  /** Flat name of the input. */
  readonly inputName: string;
  readonly id: number;
  readonly uuid: string;
  readonly name: string;
  readonly extension: string;
  readonly fileSize: number | null;
  readonly state: DatasetState;
  readonly deleted: boolean;
  readonly purged: boolean;
}

/** The data inputs of a job as they are now. */
export async function jobInputs(sql: Sql, jobId: number): Promise<JobInput[]> {
  return sql<JobInput[]>`
    select i.name as input_name, a.id, d.uuid, a.name, a.extension, d.file_size, s.state, a.deleted or d.deleted as deleted, d.purged
    from job_to_input_dataset i
    join history_dataset_association a on a.id = i.dataset_id
    join dataset d on d.id = a.dataset_id
    join dataset_state s on s.dataset_id = d.id
    where i.job_id = ${jobId} order by i.name, a.id`;
}

export interface JobOutput {
  /** The output's name in the tool. */
  readonly outputName: string;
  readonly id: number;
  readonly uuid: string;
  readonly name: string;
  readonly extension: HistoryDatasetRow["extension"];
  readonly state: DatasetState;
}

/** The datasets a job is to make. */
export async function jobOutputs(sql: Sql, jobId: number): Promise<JobOutput[]> {
  return sql<JobOutput[]>`
    select o.name as output_name, a.id, d.uuid, a.name, a.extension, s.state
    from job_to_output_dataset o
    join history_dataset_association a on a.id = o.dataset_id
    join dataset d on d.id = a.dataset_id
    join dataset_state s on s.dataset_id = d.id
    where o.job_id = ${jobId} order by o.name`;
}
