import { bigintOid, type Sql } from "../sql.ts";
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
  return (await inputsOfJobs(sql, [jobId])).get(jobId) ?? [];
}

/** The data inputs of several jobs as they are now. A job that has none is left out. */
export async function inputsOfJobs(sql: Sql, jobIds: readonly number[]): Promise<Map<number, JobInput[]>> {
  const rows = await sql<(JobInput & { jobId: number })[]>`
    select i.job_id, i.name as input_name, a.id, d.uuid, a.name, a.extension, d.file_size, s.state, a.deleted or d.deleted as deleted,
      d.purged
    from job_to_input_dataset i
    join history_dataset_association a on a.id = i.dataset_id
    join dataset d on d.id = a.dataset_id
    join dataset_state s on s.dataset_id = d.id
    where i.job_id = any(${sql.array([...jobIds], bigintOid)}) order by i.name, a.id`;
  return byJob(rows);
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
  return (await outputsOfJobs(sql, [jobId])).get(jobId) ?? [];
}

/** The datasets that several jobs are to make. A job that makes none is left out. */
export async function outputsOfJobs(sql: Sql, jobIds: readonly number[]): Promise<Map<number, JobOutput[]>> {
  const rows = await sql<(JobOutput & { jobId: number })[]>`
    select o.job_id, o.name as output_name, a.id, d.uuid, a.name, a.extension, s.state
    from job_to_output_dataset o
    join history_dataset_association a on a.id = o.dataset_id
    join dataset d on d.id = a.dataset_id
    join dataset_state s on s.dataset_id = d.id
    where o.job_id = any(${sql.array([...jobIds], bigintOid)}) order by o.name`;
  return byJob(rows);
}

function byJob<Row extends { readonly jobId: number }>(
  rows: readonly Row[],
): Map<number, Omit<Row, "jobId">[]> {
  const found = new Map<number, Omit<Row, "jobId">[]>();
  for (const { jobId, ...row } of rows) {
    const own = found.get(jobId);
    if (own === undefined) found.set(jobId, [row]);
    else own.push(row);
  }
  return found;
}
