import { randomUUID } from "node:crypto";
import { bigintOid, type Json, type Sql } from "../sql.ts";
import type { DatasetState } from "../rows.ts";
import { inputInErrorInfo } from "./release-dependents.ts";

export interface NewOutput {
  /** The output's name in the tool. */
  readonly name: string;
  /** What the user sees in the history. */
  readonly label: string;
  readonly extension: string;
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

export interface InsertedJob {
  readonly id: number;
  readonly state: "new" | "waiting" | "paused";
  readonly outputs: readonly { readonly name: string; readonly id: number; readonly uuid: string }[];
}

const notReady: readonly DatasetState[] = ["new", "upload", "queued", "running", "setting_metadata"];

const defaultPriority = 10;

/**
 * Writes a job with its parameters, inputs and outputs; the caller's transaction makes it one. It starts as `new`, as
 * `waiting` when an input is still being made, or as `paused` when one failed (galaxy.md 4.3, 4.5).
 *
 * A new job gets its ticket: its place among the waiting jobs of its queue. The jobs of one user get theirs one after the other,
 * or a user with many connections would have many jobs at each place; so the rest of the transaction should be short, and
 * jobs of several users in one transaction go in the order of the users' ids.
 */
export async function insertJob(sql: Sql, job: NewJob): Promise<InsertedJob> {
  const state = await firstState(
    sql,
    job.inputs.map(({ id }) => id),
  );
  const info = state === "paused" ? inputInErrorInfo : null;
  const priority = job.priority ?? defaultPriority;
  const queued = state === "new" && job.handler !== null;
  // Sent together. The second statement begins when the lock is there, and so sees the jobs of whoever had it.
  const [, [row]] = await Promise.all([
    queued && job.userId !== null
      ? sql`select pg_advisory_xact_lock(hashtextextended('galaxy-jobs tickets of user ' || ${job.userId}::bigint, 0))`
      : undefined,
    sql<{ id: number }[]>`
      with made as (
        insert into job (user_id, history_id, tool_id, tool_version, galaxy_version, state, info, params, assigned_handler, assigned_tag,
          handler, priority, ticket)
        values (${job.userId}, ${job.historyId}, ${job.toolId}, ${job.toolVersion}, ${job.galaxyVersion}, ${state}, ${info},
          ${sql.json({ ...job.params })}, ${job.assignedHandler}, ${job.assignedTag ?? null}, ${job.handler}, ${priority},
          ${queued ? sql`next_ticket(${job.handler}, ${job.userId}, ${priority})` : sql`0`})
        returning id, state, info
      )
      insert into job_state_history (job_id, state, info) select id, state, info from made returning job_id as id`,
  ]);
  const id = row!.id;
  await insertInputs(sql, id, job.inputs);
  return { id, state, outputs: await insertOutputs(sql, id, job.historyId, job.outputs) };
}

/** Locks the inputs' datasets until the job is there: see `releaseDependents`. */
async function firstState(sql: Sql, inputs: readonly number[]): Promise<InsertedJob["state"]> {
  if (inputs.length === 0) return "new";
  await sql`
    select d.id from dataset d join history_dataset_association a on a.dataset_id = d.id
    where a.id = any(${sql.array([...inputs], bigintOid)}) order by d.id for share of d`;
  const rows = await sql<{ state: DatasetState }[]>`
    select distinct s.state from history_dataset_association a join dataset_state s on s.dataset_id = a.dataset_id
    where a.id = any(${sql.array([...inputs], bigintOid)})`;
  const states = rows.map(({ state }) => state);
  if (states.some((state) => state === "error" || state === "paused" || state === "failed_metadata"))
    return "paused";
  return states.some((state) => notReady.includes(state)) ? "waiting" : "new";
}

async function insertInputs(sql: Sql, jobId: number, inputs: NewJob["inputs"]): Promise<void> {
  if (inputs.length === 0) return;
  await sql`
    insert into job_to_input_dataset (job_id, dataset_id, name)
    select distinct ${jobId}::bigint, input.id, input.name
    from unnest(${sql.array(
      inputs.map(({ id }) => id),
      bigintOid,
    )}::bigint[], ${sql.array(inputs.map(({ name }) => name))}::text[]) as input (id, name)`;
}

async function insertOutputs(
  sql: Sql,
  jobId: number,
  historyId: number,
  outputs: readonly NewOutput[],
): Promise<InsertedJob["outputs"]> {
  const made: { name: string; id: number; uuid: string }[] = [];
  for (const output of outputs) {
    const { id, uuid } = await insertDataset(sql, {
      historyId,
      jobId,
      state: "new",
      name: output.label,
      extension: output.extension,
      visible: output.visible ?? true,
    });
    await sql`insert into job_to_output_dataset (job_id, dataset_id, name) values (${jobId}, ${id}, ${output.name})`;
    made.push({ name: output.name, id, uuid });
  }
  return made;
}

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
