import type { FinishedJob, FinishedOutput, JobMessage, JobOutput, JobRow } from "@galaxy-jobs/shared-db";
import { checkExit, type Tool } from "@galaxy-jobs/tools";
import { atStep } from "../fault-points.ts";
import type { HandlerContext } from "../handler-context.ts";
import { jobFiles } from "../job-directory.ts";
import { collectOutput, makeEmptyOutput } from "../outputs.ts";
import type { PreparedRun, RunEnd, RunnerState } from "../runners/runner.ts";
import { readStream } from "../streams.ts";
import { hasDirectory } from "./runner-of.ts";

/** Why a job failed: what its runner says, or what its tool's exit says. */
export type FailureCause = RunnerState | "tool_detected_failure";

/** What a run left behind, and how it is judged. */
export interface Ending {
  readonly state: "ok" | "error";
  /** Of an error. */
  readonly cause: FailureCause | null;
  readonly info: string | null;
  readonly exitCode: number | null;
  readonly messages: readonly JobMessage[];
  readonly streams: {
    readonly toolStdout: string;
    readonly toolStderr: string;
    readonly jobStdout: string;
    readonly jobStderr: string;
  };
}

/** The end of a run that has no files. */
export function endingWithoutFiles(end: RunEnd): Ending {
  const { state, cause, info, messages } = judge(end, "", "");
  return { state, cause, info, messages, exitCode: end.exitCode, streams: noStreams };
}

/** Reads the streams of a run and judges its end (galaxy.md 4.9). */
export async function readEnding(job: JobRow, run: PreparedRun, end: RunEnd): Promise<Ending> {
  const files = jobFiles(run.directory, job.id);
  const [toolStdout, toolStderr, jobStdout, jobStderr] = await Promise.all(
    [files.toolStdout, files.toolStderr, files.jobStdout, files.jobStderr].map(readStream),
  );
  const streams = {
    toolStdout: toolStdout!,
    toolStderr: toolStderr!,
    jobStdout: jobStdout!,
    jobStderr: jobStderr!,
  };
  return { ...judge(end, streams.toolStdout, streams.toolStderr), exitCode: end.exitCode, streams };
}

/**
 * Collects the outputs of a run and writes the job's end: exit code, streams, outputs, final state (galaxy.md 4.10).
 * @param known its outputs, where they have been read
 * @returns the final state, or undefined when the job is no longer this handler's
 */
export async function finish(
  context: HandlerContext,
  job: JobRow,
  tool: Tool,
  run: PreparedRun,
  ending: Ending,
  known?: readonly JobOutput[],
): Promise<"ok" | "error" | undefined> {
  const expected = known ?? (await context.files.outputs(job.id));
  if (expected.length === 0) return writeEnd(context, endOf(job, ending, []));
  return writeEnd(context, endOf(job, ending, await collect(context, job, tool, run, ending, expected)));
}

async function collect(
  context: HandlerContext,
  job: JobRow,
  tool: Tool,
  run: PreparedRun,
  ending: Ending,
  expected: readonly JobOutput[],
): Promise<FinishedOutput[]> {
  const withFiles = hasDirectory(context, run);
  const outputs: FinishedOutput[] = [];
  for (const output of expected) {
    const source = tool.outputs.find(({ name }) => name === output.outputName);
    const request = {
      output,
      working: jobFiles(run.directory, job.id).working,
      fromWorkDir: source?.from_work_dir,
      fileDirectory: context.config.fileDirectory,
    };
    // Files have no fence: an owner that was paused must not move them over a later one's.
    await context.lease.whenHeld();
    const work = () => (withFiles ? collectOutput(request) : makeEmptyOutput(request));
    const collected = await atStep(context.fault, "collect.output", work, job.toolId);
    outputs.push(ending.state === "error" ? { ...collected, state: "error", info: ending.info } : collected);
  }
  return outputs;
}

function endOf(
  job: JobRow,
  ending: Ending,
  outputs: readonly FinishedOutput[],
): FinishedJob & { readonly state: "ok" | "error" } {
  const missing = ending.state === "ok" ? outputs.filter(({ state }) => state === "error") : [];
  const { toolStdout, toolStderr, jobStdout, jobStderr } = ending.streams;
  return {
    id: job.id,
    fence: job.fence,
    state: missing.length > 0 ? "error" : ending.state,
    info: missing.length > 0 ? missing.map(({ info }) => info).join(" ") : ending.info,
    exitCode: ending.exitCode,
    messages: ending.messages,
    toolStdout,
    toolStderr,
    jobStdout,
    jobStderr,
    traceback: null,
    outputs,
    hasNoOutputs: outputs.length === 0,
  };
}

/** Ends a job that never ran, or whose run cannot be read. @returns whether it was still this handler's */
export async function fail(
  context: HandlerContext,
  job: { readonly id: number; readonly fence: number },
  failure: { readonly info: string; readonly traceback?: string },
): Promise<boolean> {
  const end = {
    ...nothingLeft(job),
    state: "error",
    info: failure.info,
    traceback: failure.traceback ?? null,
  } as const;
  return (await writeEnd(context, end)) !== undefined;
}

const noStreams = { toolStdout: "", toolStderr: "", jobStdout: "", jobStderr: "" };

/** What a job that left nothing behind ends with. */
export function nothingLeft(job: { readonly id: number; readonly fence: number }) {
  return {
    id: job.id,
    fence: job.fence,
    exitCode: null,
    messages: [],
    ...noStreams,
    traceback: null,
    outputs: [],
  } as const;
}

/** Writes the end, however long the database takes to come back. @returns its state, or undefined when the job was not this handler's */
export function writeEnd<State extends FinishedJob["state"]>(
  context: HandlerContext,
  job: FinishedJob & { readonly state: State },
  toolId?: string,
): Promise<State | undefined> {
  return atStep(context.fault, "finish", () => context.states.end(job), toolId).then((mine) => {
    const { id, fence, state, exitCode, info } = job;
    if (mine) context.events.emit("ended", { job: id, fence, state, exitCode, info });
    else context.events.emit("let_go", { job: id, fence, at: "finish" });
    return mine ? state : undefined;
  });
}

function judge(
  end: RunEnd,
  stdout: string,
  stderr: string,
): Pick<Ending, "state" | "cause" | "info" | "messages"> {
  const failure = end.failure ?? (end.exitCode === null ? "The job ended without an exit code." : null);
  if (failure !== null) {
    const cause = end.state ?? "unknown_error";
    const type = cause === "unknown_error" ? "lost" : cause;
    return { state: "error", cause, info: failure, messages: [{ type, desc: failure }] };
  }
  const { state, messages } = checkExit({ exitCode: end.exitCode!, stdout, stderr });
  const fatal = messages.map(({ desc }) => desc).join("; ");
  const failed = state === "error";
  return {
    state,
    cause: failed ? "tool_detected_failure" : null,
    info: failed ? fatal || `Exit code ${end.exitCode}` : null,
    messages: [...messages],
  };
}
