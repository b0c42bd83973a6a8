import { randomUUID } from "node:crypto";
import { jobColumns, jobReader } from "../job-columns.ts";
import type { HistoryDatasetRow, JobRow } from "../rows.ts";
import type { Json, Sql } from "../sql.ts";
import { inputInErrorInfo } from "./release-dependents.ts";

export interface NewOutput {
  /** The output's name in the tool. */
  readonly name: string;
  /** What the user sees in the history. */
  readonly label: string;
  readonly extension: string;
  /** Default true. */
  readonly visible?: boolean;
}

export interface NewJob {
  readonly userId: number | null;
  readonly historyId: number;
  readonly toolId: string;
  readonly toolVersion: string;
  readonly galaxyVersion: string;
  readonly params: Readonly<Record<string, Json>>;
  /** Handler id or tag, from assignment; null when a message gives it to a handler. */
  readonly handler: string | null;
  /** Where the job goes back to when it is released. */
  readonly assignedHandler: string;
  /** The tag that it was chosen from, where it is one handler of several. */
  readonly assignedTag?: string | null;
  /** 1 to 100, see docs/claim-order.md; default 10. */
  readonly priority?: number | undefined;
  /** Data inputs: the flat name of the input and the history_dataset_association. */
  readonly inputs: readonly { readonly name: string; readonly id: number }[];
  readonly outputs: readonly NewOutput[];
}

/** A job as it was written, with its outputs in the order of the tool. */
export interface InsertedJob {
  readonly job: JobRow;
  readonly outputs: readonly { readonly name: string; readonly dataset: HistoryDatasetRow }[];
}

const defaultPriority = 10;

const insertedJob = jobReader();

/** Of an output, what the server gave it. */
interface Place {
  readonly id: number;
  readonly dataset_id: number;
  readonly hid: number;
  readonly user_id: number | null;
}

/**
 * Writes jobs with their parameters, inputs and outputs, all or none, in one statement. Each starts as `new`, as `waiting` when an
 * input is still being made, or as `paused` when one failed (galaxy.md 4.3, 4.5).
 *
 * A new job gets its ticket: its place among the waiting jobs of its queue. The jobs of one user get theirs one after the other,
 * or a user with many connections would have many jobs at each place; so a transaction around it should be short, and
 * jobs of several users go in the order of the users' ids, and those of a user in the order of their histories.
 * @returns in the order of what was asked
 */
export async function insertJobs(sql: Sql, jobs: readonly NewJob[]): Promise<InsertedJob[]> {
  const uuids = jobs.map(({ outputs }) => outputs.map(() => randomUUID()));
  const wanted = jobs.map((job, index) => ({
    user_id: job.userId,
    history_id: job.historyId,
    tool_id: job.toolId,
    tool_version: job.toolVersion,
    galaxy_version: job.galaxyVersion,
    params: job.params,
    handler: job.handler,
    assigned_handler: job.assignedHandler,
    assigned_tag: job.assignedTag ?? null,
    priority: job.priority ?? defaultPriority,
    inputs: job.inputs.map(({ name, id }) => ({ name, id })),
    outputs: job.outputs.map(({ name, label, extension, visible = true }, place) => ({
      name,
      label,
      extension,
      visible,
      uuid: uuids[index]![place]!,
    })),
  }));
  const rows = await sql`
    select ${jobColumns(sql, "(inserted.made)")}, inserted.outputs
    from insert_jobs(${sql.json(wanted)}::jsonb, ${inputInErrorInfo}) as inserted`.values();
  return rows.map((values, index) => {
    const job = insertedJob(values);
    const places = values.at(-1) as readonly Place[];
    const outputs = jobs[index]!.outputs.map((output, at) => ({
      name: output.name,
      dataset: datasetOf(job, output, uuids[index]![at]!, places[at]!),
    }));
    return { job, outputs };
  });
}

/** An output as it is in the moment when its job is there. */
function datasetOf(job: JobRow, output: NewOutput, uuid: string, place: Place): HistoryDatasetRow {
  return {
    id: place.id,
    createTime: job.createTime,
    updateTime: job.createTime,
    historyId: job.historyId!,
    datasetId: place.dataset_id,
    hid: place.hid,
    name: output.label,
    extension: output.extension,
    info: null,
    peek: null,
    visible: output.visible ?? true,
    deleted: false,
    purged: false,
    uuid,
    state: job.state === "paused" ? "paused" : "new",
    fileSize: null,
    creatingJobId: job.id,
    userId: place.user_id,
  };
}

/** The same for one job. */
export async function insertJob(sql: Sql, job: NewJob): Promise<InsertedJob> {
  return (await insertJobs(sql, [job]))[0]!;
}
