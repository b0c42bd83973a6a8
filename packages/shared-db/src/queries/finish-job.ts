import { statesBefore } from "../job-states.ts";
import type { Database, Sql } from "../sql.ts";
import type { JobMessage, JobOwnership } from "../rows.ts";
import { writeOutputs, type FinishedOutput } from "./finish-outputs.ts";
import type { RunStart } from "./mark-job-running.ts";
import { ownershipArrays } from "./ownership.ts";
import { releaseDependents } from "./release-dependents.ts";
import { writtenBefore } from "./written-before.ts";

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
  /** It is known to have no outputs, and so nothing that waits for them. */
  readonly hasNoOutputs?: boolean;
}

/**
 * Writes the end of a job, its outputs and what follows for the jobs that wait for them, as one transaction (galaxy.md 4.10).
 * @returns false when the job is no longer this owner's or is in a state that cannot end so; nothing is written then
 */
export async function finishJobIfOwned(database: Database, job: FinishedJob): Promise<boolean> {
  return (await finishJobsIfOwned(database, [job])).has(job.id);
}

/** Starts of jobs that have not been written, by the id of the job. */
export type UnwrittenStarts = ReadonlyMap<number, RunStart>;

const noStarts: UnwrittenStarts = new Map();

/**
 * The same for any number of jobs, as one transaction; of those without outputs as one statement for each kind of end.
 * @param starts both changes of state are written for these
 * @returns the ids of those that have this end now, also where an earlier call, whose answer was lost, has written it
 */
export async function finishJobsIfOwned(
  database: Database,
  jobs: readonly FinishedJob[],
  starts = noStarts,
): Promise<Set<number>> {
  const plain = jobs.filter(({ hasNoOutputs }) => hasNoOutputs === true);
  const others = jobs.filter(({ hasNoOutputs }) => hasNoOutputs !== true);
  const ended = await writeEnds(database, plain, starts);
  if (others.length === 0) return ended;
  const written = await database.begin(async (sql) => {
    const done = await writeEnds(sql, others, starts);
    const mine = others.filter(({ id }) => done.has(id));
    if (mine.length === 0) return done;
    await writeOutputs(sql, mine);
    await releaseDependents(
      sql,
      mine.map(({ id }) => id),
    );
    return done;
  });
  return new Set([...ended, ...written]);
}

async function writeEnds(
  sql: Sql,
  jobs: readonly FinishedJob[],
  starts: UnwrittenStarts,
): Promise<Set<number>> {
  const ended = new Set<number>();
  const note = (ids: readonly number[]) => {
    for (const id of ids) ended.add(id);
  };
  for (const state of ["ok", "error", "deleted"] as const) {
    const ends = jobs.filter((job) => job.state === state);
    const begun = ends.filter(({ id }) => starts.has(id));
    note(await writeEndsFrom(sql, begun, { state, before: ["queued"], starts }));
    // The others, and those whose start was written after all.
    const left = ends.filter(({ id }) => !ended.has(id));
    note(await writeEndsFrom(sql, left, { state, before: statesBefore(state), starts: noStarts }));
    note(await writtenBefore(sql, ends, ended, state));
  }
  return ended;
}

/**
 * The states are compared in a way that no index fits: by the statistics, which are older than the jobs of this moment, hardly any
 * job is in such a state, and a plan that believes them reads all of those once for each job.
 */
async function writeEndsFrom(
  sql: Sql,
  jobs: readonly FinishedJob[],
  change: {
    readonly state: FinishedJob["state"];
    readonly before: readonly string[];
    readonly starts: UnwrittenStarts;
  },
): Promise<number[]> {
  if (jobs.length === 0) return [];
  const { state, before, starts } = change;
  const { ids, fences } = ownershipArrays(sql, jobs);
  const startOf = ({ id }: FinishedJob) => starts.get(id);
  // Most columns are empty for all jobs: of those nothing is sent, and unnest makes them null.
  const texts = (of: (job: FinishedJob) => string | null) => {
    const values = jobs.map((job) => of(job) || null);
    return values.every((value) => value === null) ? null : sql.array(values);
  };
  const rows = await sql<{ id: number }[]>`
    with changed as (
      update job set state = ${state}, info = coalesce(mine.info, job.info), exit_code = mine.exit_code::integer,
        job_messages = mine.messages::jsonb, tool_stdout = coalesce(mine.tool_stdout, ''),
        tool_stderr = coalesce(mine.tool_stderr, ''), job_stdout = coalesce(mine.job_stdout, ''),
        job_stderr = coalesce(mine.job_stderr, ''), traceback = mine.traceback,
        job_runner_external_id = coalesce(mine.external_id, job.job_runner_external_id),
        command_line = case when mine.seconds_ago is null then job.command_line else coalesce(mine.command_line, '') end,
        start_time = coalesce(now() - make_interval(secs => mine.seconds_ago::float8), job.start_time),
        end_time = now(), update_time = now()
      from unnest(${ids}::bigint[], ${fences}::bigint[],
        ${texts(({ info }) => (info === null ? null : trimInfo(info)))}::text[],
        ${texts(({ exitCode }) => (exitCode === null ? null : String(exitCode)))}::text[],
        ${texts(({ messages }) => (messages.length > 0 ? JSON.stringify(messages) : null))}::text[],
        ${texts(({ toolStdout }) => storable(toolStdout))}::text[], ${texts(({ toolStderr }) => storable(toolStderr))}::text[],
        ${texts(({ jobStdout }) => storable(jobStdout))}::text[], ${texts(({ jobStderr }) => storable(jobStderr))}::text[],
        ${texts(({ traceback }) => (traceback === null ? null : storable(traceback)))}::text[],
        ${texts((job) => startOf(job)?.externalId ?? null)}::text[], ${texts((job) => startOf(job)?.commandLine ?? null)}::text[],
        ${texts((job) => secondsAgo(startOf(job)))}::text[])
        as mine (id, fence, info, exit_code, messages, tool_stdout, tool_stderr, job_stdout, job_stderr, traceback, external_id,
          command_line, seconds_ago)
      where job.id = any(${ids}::bigint[]) and job.id = mine.id and job.fence = mine.fence
        and array_position(${sql.array([...before])}, job.state) is not null
      returning job.id, job.state, job.info, mine.seconds_ago is not null as begun, job.start_time
    ), history as (
      insert into job_state_history (create_time, job_id, state, info)
      select change.create_time, id, change.state, change.info from changed
      cross join lateral (values (1, start_time, 'running', null), (2, clock_timestamp(), changed.state, changed.info))
        as change (step, create_time, state, info)
      where begun or step = 2 order by step
    )
    select id from changed`;
  return rows.map(({ id }) => id);
}

function secondsAgo(start: RunStart | undefined): string | null {
  // All digits of a number take longer to write and to read than the rest of its job.
  return start === undefined ? null : (start.secondsAgo ?? 0).toFixed(6);
}

/** A text as PostgreSQL can hold it: it has no NUL. */
export function storable(text: string): string {
  return text === "" ? "" : text.replaceAll("\0", "\uFFFD");
}

/** job.info is 255 characters at most, as in Galaxy (galaxy.md 5.1). */
export function trimInfo(info: string): string {
  const characters = Array.from(storable(info));
  return characters.length <= 255 ? characters.join("") : `${characters.slice(0, 254).join("")}…`;
}
