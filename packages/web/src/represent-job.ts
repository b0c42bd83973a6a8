import {
  earlierAttempts,
  jobHistory,
  jobInputs,
  jobOutputs,
  type JobAttempt,
  type JobOutput,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import type { z } from "zod";
import { jobSummary, time } from "./represent.ts";
import type { fullJobAnswer, jobAttempt, jobMetric, namedDataset } from "./schemas/job.ts";
import type { WebContext } from "./web-context.ts";

/** A job with all that is known of it (galaxy.md 6.2, full=true). */
export async function fullJob(
  context: WebContext,
  job: JobRow,
  isAdmin: boolean,
): Promise<z.infer<typeof fullJobAnswer>> {
  const { database, ids } = context;
  const [inputs, outputs, history, attempts] = await Promise.all([
    jobInputs(database, job.id),
    jobOutputs(database, job.id),
    jobHistory(database, job.id),
    earlierAttempts(database, job.id),
  ]);
  const reference = ({ id, uuid }: { id: number; uuid: string }) => ({
    src: "hda" as const,
    id: ids.encode("dataset", id),
    uuid,
  });
  return {
    ...jobSummary(ids, job, isAdmin),
    params: Object.fromEntries(
      Object.entries(encodeReferences(context, job.params) as object).map(([key, value]) => [
        key,
        JSON.stringify(value),
      ]),
    ),
    inputs: Object.fromEntries(inputs.map((input) => [input.inputName, reference(input)])),
    outputs: Object.fromEntries(outputs.map((output) => [output.outputName, reference(output)])),
    output_collections: {},
    command_line: job.commandLine,
    stdout: [job.toolStdout, job.jobStdout].filter(Boolean).join("\n"),
    stderr: [job.toolStderr, job.jobStderr].filter(Boolean).join("\n"),
    tool_stdout: job.toolStdout,
    tool_stderr: job.toolStderr,
    job_stdout: job.jobStdout,
    job_stderr: job.jobStderr,
    job_messages: [...(job.jobMessages ?? [])],
    dependencies: [],
    job_metrics: metricsOf(job),
    copied_from_job_id: null,
    user_id: job.userId === null ? null : ids.encode("user", job.userId),
    handler: job.handler,
    start_time: time(job.startTime),
    end_time: time(job.endTime),
    state_history: history.map(({ state, createTime, info }) => ({
      state,
      create_time: time(createTime),
      message: info,
    })),
    attempts: attempts.map((attempt) => representAttempt(attempt, isAdmin)),
  };
}

function representAttempt(attempt: JobAttempt, isAdmin: boolean): z.infer<typeof jobAttempt> {
  return {
    attempt: attempt.attempt,
    handler: attempt.handler,
    destination_id: attempt.destinationId,
    cause: attempt.cause,
    info: attempt.info,
    exit_code: attempt.exitCode,
    start_time: time(attempt.startTime),
    end_time: time(attempt.endTime),
    tool_stdout: attempt.toolStdout,
    tool_stderr: attempt.toolStderr,
    ...(isAdmin ? { job_runner_name: attempt.jobRunnerName, external_id: attempt.jobRunnerExternalId } : {}),
  };
}

export function namedDatasets(
  context: WebContext,
  outputs: readonly JobOutput[],
): z.infer<typeof namedDataset>[] {
  return outputs.map(({ outputName, id }) => ({
    name: outputName,
    dataset: { src: "hda", id: context.ids.encode("dataset", id) },
  }));
}

export function metricsOf(job: JobRow): z.infer<typeof jobMetric>[] {
  const metric = (name: string, title: string, value: string, raw: string) => ({
    plugin: "core",
    name,
    title,
    value,
    raw_value: raw,
  });
  const { startTime, endTime } = job;
  const epoch = (at: Date) => String(at.getTime() / 1000);
  const metrics = [];
  if (startTime !== null)
    metrics.push(metric("start_epoch", "Job Start Time", time(startTime), epoch(startTime)));
  if (endTime !== null) metrics.push(metric("end_epoch", "Job End Time", time(endTime), epoch(endTime)));
  if (startTime !== null && endTime !== null) {
    const seconds = (endTime.getTime() - startTime.getTime()) / 1000;
    metrics.push(
      metric("runtime_seconds", "Job Runtime (Wall Clock)", `${seconds.toFixed(1)} seconds`, String(seconds)),
    );
  }
  return metrics;
}

/** Stored parameters name datasets by row; outside they have their opaque ids. */
export function encodeReferences(context: WebContext, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => encodeReferences(context, item));
  if (typeof value !== "object" || value === null) return value;
  const { src, id } = value as { src?: unknown; id?: unknown };
  if (src === "hda" && typeof id === "number") return { src, id: context.ids.encode("dataset", id) };
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, encodeReferences(context, item)]),
  );
}
