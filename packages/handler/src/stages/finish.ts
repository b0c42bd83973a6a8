import {
  finishJobIfOwned,
  jobOutputs,
  type Database,
  type FinishedJob,
  type FinishedOutput,
  type JobMessage,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { checkExit, type Tool } from "@galaxy-jobs/tools";
import type { HandlerContext } from "../handler-context.ts";
import { jobFiles } from "../job-directory.ts";
import { collectOutput } from "../outputs.ts";
import type { PreparedRun, RunEnd } from "../runners/runner.ts";
import { readStream } from "../streams.ts";

/**
 * Reads what a run left behind and writes the job's end: exit code, streams, outputs, final state (galaxy.md 4.9, 4.10).
 * @returns the final state, or undefined when the job is no longer this handler's
 */
export async function finish(
  context: HandlerContext,
  database: Database,
  job: JobRow,
  tool: Tool,
  run: PreparedRun,
  end: RunEnd,
): Promise<"ok" | "error" | undefined> {
  const files = jobFiles(run.directory, job.id);
  const [toolStdout, toolStderr, jobStdout, jobStderr] = await Promise.all(
    [files.toolStdout, files.toolStderr, files.jobStdout, files.jobStderr].map(readStream),
  );
  const verdict = judge(end, toolStdout!, toolStderr!);
  const outputs: FinishedOutput[] = [];
  for (const output of await jobOutputs(database, job.id)) {
    const source = tool.outputs.find(({ name }) => name === output.outputName);
    const collected = await collectOutput({
      output,
      working: files.working,
      fromWorkDir: source?.from_work_dir,
      fileDirectory: context.config.fileDirectory,
    });
    outputs.push(
      verdict.state === "error" ? { ...collected, state: "error", info: verdict.info } : collected,
    );
  }
  const missing = verdict.state === "ok" ? outputs.filter(({ state }) => state === "error") : [];
  const finished: FinishedJob = {
    id: job.id,
    fence: job.fence,
    state: missing.length > 0 ? "error" : verdict.state,
    info: missing.length > 0 ? missing.map(({ info }) => info).join(" ") : verdict.info,
    exitCode: end.exitCode,
    messages: verdict.messages,
    toolStdout: toolStdout!,
    toolStderr: toolStderr!,
    jobStdout: jobStdout!,
    jobStderr: jobStderr!,
    traceback: null,
    outputs,
  };
  return (await writeEnd(context, database, finished)) ? (finished.state as "ok" | "error") : undefined;
}

/** Ends a job that never ran, or whose run cannot be read. @returns whether it was still this handler's */
export async function fail(
  context: HandlerContext,
  database: Database,
  job: { readonly id: number; readonly fence: number },
  failure: { readonly info: string; readonly traceback?: string },
): Promise<boolean> {
  return writeEnd(context, database, {
    ...nothingLeft(job),
    state: "error",
    info: failure.info,
    traceback: failure.traceback ?? null,
  });
}

/** What a job that left nothing behind ends with. */
export function nothingLeft(job: { readonly id: number; readonly fence: number }) {
  const streams = { toolStdout: "", toolStderr: "", jobStdout: "", jobStderr: "" };
  return {
    id: job.id,
    fence: job.fence,
    exitCode: null,
    messages: [],
    ...streams,
    traceback: null,
    outputs: [],
  } as const;
}

/** Writes the end, however long the database takes to come back. */
export async function writeEnd(
  context: HandlerContext,
  database: Database,
  job: FinishedJob,
): Promise<boolean> {
  const mine = await context.untilWritten("finish", job.id, () => finishJobIfOwned(database, job));
  if (mine) {
    context.events.emit("ended", {
      job: job.id,
      fence: job.fence,
      state: job.state,
      exitCode: job.exitCode,
      info: job.info,
    });
  } else {
    context.events.emit("let_go", { job: job.id, fence: job.fence, at: "finish" });
  }
  return mine;
}

function judge(
  end: RunEnd,
  stdout: string,
  stderr: string,
): { state: "ok" | "error"; info: string | null; messages: JobMessage[] } {
  if (end.failure !== null)
    return { state: "error", info: end.failure, messages: [{ type: "lost", desc: end.failure }] };
  if (end.exitCode === null) {
    const info = "The job ended without an exit code.";
    return { state: "error", info, messages: [{ type: "lost", desc: info }] };
  }
  const { state, messages } = checkExit({ exitCode: end.exitCode, stdout, stderr });
  const fatal = messages.map(({ desc }) => desc).join("; ");
  return {
    state,
    info: state === "error" ? fatal || `Exit code ${end.exitCode}` : null,
    messages: [...messages],
  };
}
