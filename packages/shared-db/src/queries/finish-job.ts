import { statesBefore } from "../job-states.ts";
import type { Database, Json, Sql } from "../sql.ts";
import type { DatasetState, JobMessage, JobOwnership } from "../rows.ts";
import { releaseDependents } from "./release-dependents.ts";

/** What became of one output: its dataset's last state and what its file holds. */
export interface FinishedOutput {
  /** The history_dataset_association. */
  readonly id: number;
  readonly state: DatasetState;
  readonly fileSize: number | null;
  readonly peek: string | null;
  readonly info: string | null;
}

export interface FinishedJob extends JobOwnership {
  readonly state: "ok" | "error" | "deleted";
  /** Shown to the user; cut to 255 characters. */
  readonly info: string | null;
  readonly exitCode: number | null;
  readonly messages: readonly JobMessage[];
  readonly toolStdout: string;
  readonly toolStderr: string;
  readonly jobStdout: string;
  readonly jobStderr: string;
  readonly traceback: string | null;
  readonly outputs: readonly FinishedOutput[];
}

/**
 * Writes the end of a job, its outputs and what follows for the jobs that wait for them, as one transaction (galaxy.md 4.10).
 * @returns false when the job is no longer this owner's or is in a state that cannot end so; nothing is written then
 */
export async function finishJobIfOwned(database: Database, job: FinishedJob): Promise<boolean> {
  return database.begin(async (sql) => {
    if (!(await writeEnd(sql, job))) return false;
    await writeOutputs(sql, job);
    await releaseDependents(sql, [job.id]);
    return true;
  });
}

async function writeEnd(sql: Sql, job: FinishedJob): Promise<boolean> {
  const info = job.info === null ? null : trimInfo(job.info);
  const rows = await sql`
    with changed as (
      update job set state = ${job.state}, info = coalesce(${info}, info), exit_code = ${job.exitCode},
        job_messages = ${job.messages.length > 0 ? sql.json(job.messages as unknown as Json) : null},
        tool_stdout = ${storable(job.toolStdout)}, tool_stderr = ${storable(job.toolStderr)},
        job_stdout = ${storable(job.jobStdout)}, job_stderr = ${storable(job.jobStderr)},
        traceback = ${job.traceback === null ? null : storable(job.traceback)}, end_time = now(), update_time = now()
      where id = ${job.id} and fence = ${job.fence} and state = any(${sql.array(statesBefore(job.state))})
      returning id, state, info
    )
    insert into job_state_history (job_id, state, info) select id, state, info from changed returning job_id`;
  return rows.length === 1;
}

async function writeOutputs(sql: Sql, job: FinishedJob): Promise<void> {
  if (job.outputs.length > 0) {
    await sql`
      with output as (
        select * from jsonb_to_recordset(${sql.json(job.outputs as unknown as Json)}::jsonb)
          as o (id bigint, state text, "fileSize" bigint, peek text, info text)
      ), hda as (
        update history_dataset_association a set peek = output.peek, info = output.info, update_time = now()
        from output where a.id = output.id
        returning a.dataset_id, output.state, output."fileSize" as file_size
      )
      update dataset set state = hda.state, file_size = hda.file_size, update_time = now()
      from hda where dataset.id = hda.dataset_id and dataset.job_id = ${job.id}`;
  }
  // Whatever the job was to make and is not listed was not made.
  await sql`
    update dataset set state = ${job.state === "deleted" ? "discarded" : "error"}, deleted = ${job.state === "deleted"}, update_time = now()
    where job_id = ${job.id} and state = 'new'`;
}

/** A text as PostgreSQL can hold it: it has no NUL. */
export function storable(text: string): string {
  return text.replaceAll("\0", "�");
}

/** job.info is 255 characters at most, as in Galaxy (galaxy.md 5.1). */
export function trimInfo(info: string): string {
  const characters = Array.from(storable(info));
  return characters.length <= 255 ? characters.join("") : `${characters.slice(0, 254).join("")}…`;
}
