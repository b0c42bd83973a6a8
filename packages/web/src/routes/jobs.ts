import { open } from "node:fs/promises";
import { Router, type Request } from "express";
import { z } from "zod";
import { jobDirectory, streamFile } from "@galaxy-jobs/handler";
import {
  channels,
  isTerminal,
  jobHistory,
  jobInputs,
  jobOutputs,
  jobStates,
  listJobs,
  requestJobDeletion,
  resumeJobIfPaused,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { ApiError, codes } from "../api-error.ts";
import { requireAdmin, requireCaller } from "../authenticate.ts";
import { decodeId, ownedJob } from "../owned.ts";
import { jobSummary, time } from "../represent.ts";
import { readBody } from "../read-body.ts";
import type { WebContext } from "../web-context.ts";

const list = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === "string" ? [value] : value));
const listQuery = z.object({
  state: list.optional(),
  tool_id: list.optional(),
  history_id: z.string().optional(),
  user_id: z.string().optional(),
  date_range_min: z.coerce.date().optional(),
  date_range_max: z.coerce.date().optional(),
  order_by: z.enum(["create_time", "update_time"]).default("update_time"),
  view: z.enum(["collection", "admin_job_list"]).default("collection"),
  limit: z.coerce.number().int().min(0).max(1_000).default(500),
  offset: z.coerce.number().int().min(0).default(0),
});

export function jobRoutes(context: WebContext): Router {
  const router = Router();
  const { database, ids } = context;

  router.get("/api/jobs", async (request, response) => {
    const caller = await requireCaller(context, request);
    const query = parseQuery(request);
    const everybody = caller.isAdmin && (query.view === "admin_job_list" || caller.user === undefined);
    const userId = everybody ? undefined : caller.user?.id;
    if (
      query.user_id !== undefined &&
      !caller.isAdmin &&
      decodeId(context, "user", query.user_id) !== userId
    ) {
      throw new ApiError(codes.adminOnly, "Only admins can index the jobs of others");
    }
    const jobs = await listJobs(database, {
      ...(userId === undefined ? {} : { userId }),
      ...(query.state === undefined ? {} : { states: query.state }),
      ...(query.tool_id === undefined ? {} : { toolIds: query.tool_id }),
      ...(query.history_id === undefined
        ? {}
        : { historyId: decodeId(context, "history", query.history_id) }),
      ...(query.date_range_min === undefined ? {} : { since: query.date_range_min }),
      ...(query.date_range_max === undefined ? {} : { until: query.date_range_max }),
      orderBy: query.order_by,
      limit: query.limit,
      offset: query.offset,
    });
    response.json(jobs.map((job) => jobSummary(ids, job, caller.isAdmin)));
  });

  router.get("/api/jobs/:id", async (request, response) => {
    const { job, caller } = await ownedJob(context, request);
    const summary = jobSummary(ids, job, caller.isAdmin);
    response.json(
      request.query["full"] === "true" ? { ...summary, ...(await fullJob(context, job)) } : summary,
    );
  });

  router.delete("/api/jobs/:id", async (request, response) => {
    const { job, caller } = await ownedJob(context, request);
    const { message } = readBody(z.object({ message: z.string().max(255).optional() }), request);
    const info =
      message !== undefined && caller.isAdmin ? message : "Job output deleted by user before job completed.";
    const result = await requestJobDeletion(database, job.id, info);
    if (result.outcome === "deleting") context.hints.send(channels.stopRequests, result.handler);
    response.json(result.outcome === "deleted" || result.outcome === "deleting");
  });

  router.put("/api/jobs/:id/resume", async (request, response) => {
    const { job } = await ownedJob(context, request);
    const resumed = await resumeJobIfPaused(database, job.id);
    if (resumed.length === 0)
      throw new ApiError(codes.conflict, `the job is ${job.state}; only a paused job can be resumed`);
    if (job.assignedHandler !== null) context.hints.send(channels.newJobs, job.assignedHandler);
    response.json(namedDatasets(context, await jobOutputs(database, job.id)));
  });

  router.get("/api/jobs/:id/inputs", async (request, response) => {
    const { job } = await ownedJob(context, request);
    const inputs = await jobInputs(database, job.id);
    response.json(
      inputs.map(({ inputName, id }) => ({
        name: inputName,
        dataset: { src: "hda", id: ids.encode("dataset", id) },
      })),
    );
  });

  router.get("/api/jobs/:id/outputs", async (request, response) => {
    const { job } = await ownedJob(context, request);
    response.json(namedDatasets(context, await jobOutputs(database, job.id)));
  });

  for (const stream of ["stdout", "stderr"] as const) {
    router.get(`/api/jobs/:id/${stream}`, async (request, response) => {
      const { job } = await ownedJob(context, request);
      response
        .type("text/plain")
        .set("content-security-policy", "sandbox")
        .send(await streamText(context, job, stream, 0, 1_048_576));
    });
  }

  router.get("/api/jobs/:id/console_output", async (request, response) => {
    const { job } = await ownedJob(context, request);
    const number = z.coerce.number().int().min(0);
    const parsed = z
      .object({
        stdout_position: number.default(0),
        stdout_length: number.max(1_048_576).default(50_000),
        stderr_position: number.default(0),
        stderr_length: number.max(1_048_576).default(50_000),
      })
      .safeParse(request.query);
    if (!parsed.success) throw new ApiError(codes.invalid, z.prettifyError(parsed.error));
    const query = parsed.data;
    response.json({
      state: job.state,
      stdout: await streamText(context, job, "stdout", query.stdout_position, query.stdout_length),
      stderr: await streamText(context, job, "stderr", query.stderr_position, query.stderr_length),
    });
  });

  router.get("/api/jobs/:id/metrics", async (request, response) => {
    const { job } = await ownedJob(context, request);
    response.json(metricsOf(job));
  });

  router.get("/api/jobs/:id/destination_params", async (request, response) => {
    await requireAdmin(context, request);
    const { job } = await ownedJob(context, request);
    response.json({
      ...job.destinationParams,
      Runner: job.jobRunnerName,
      "Runner Job ID": job.jobRunnerExternalId,
      Handler: job.handler,
    });
  });

  router.get("/api/jobs/:id/build_for_rerun", async (request, response) => {
    const { job } = await ownedJob(context, request);
    const inputs = encodeReferences(context, job.params);
    const historyId = job.historyId === null ? null : ids.encode("history", job.historyId);
    response.json({
      id: job.toolId,
      version: job.toolVersion,
      history_id: historyId,
      state_inputs: inputs,
      job_remap: null,
    });
  });

  return router;
}

async function fullJob(context: WebContext, job: JobRow) {
  const { database, ids } = context;
  const [inputs, outputs, history] = await Promise.all([
    jobInputs(database, job.id),
    jobOutputs(database, job.id),
    jobHistory(database, job.id),
  ]);
  const reference = ({ id, uuid }: { id: number; uuid: string }) => ({
    src: "hda",
    id: ids.encode("dataset", id),
    uuid,
  });
  return {
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
    job_messages: job.jobMessages ?? [],
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
  };
}

function namedDatasets(context: WebContext, outputs: Awaited<ReturnType<typeof jobOutputs>>) {
  return outputs.map(({ outputName, id }) => ({
    name: outputName,
    dataset: { src: "hda", id: context.ids.encode("dataset", id) },
  }));
}

function metricsOf(job: JobRow) {
  const metric = (name: string, title: string, value: string, raw: string) => ({
    plugin: "core",
    name,
    title,
    value,
    raw_value: raw,
  });
  const metrics = [];
  if (job.startTime !== null)
    metrics.push(
      metric("start_epoch", "Job Start Time", time(job.startTime), String(job.startTime.getTime() / 1000)),
    );
  if (job.endTime !== null)
    metrics.push(
      metric("end_epoch", "Job End Time", time(job.endTime), String(job.endTime.getTime() / 1000)),
    );
  if (job.startTime !== null && job.endTime !== null) {
    const seconds = (job.endTime.getTime() - job.startTime.getTime()) / 1000;
    metrics.push(
      metric("runtime_seconds", "Job Runtime (Wall Clock)", `${seconds.toFixed(1)} seconds`, String(seconds)),
    );
  }
  return metrics;
}

/** A running job's stream is read from its file as it grows; an ended job's from its row. Positions count bytes of a running stream. */
async function streamText(
  context: WebContext,
  job: JobRow,
  stream: "stdout" | "stderr",
  position: number,
  length: number,
): Promise<string> {
  if (isTerminal(job.state))
    return ((stream === "stdout" ? job.toolStdout : job.toolStderr) ?? "").slice(position, position + length);
  if (job.runFence === null || length === 0) return "";
  const path = streamFile(jobDirectory(context.config.jobWorkingDirectory, job.id, job.runFence), stream);
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (file === undefined) return "";
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, position);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await file.close();
  }
}

/** Stored parameters name datasets by row; outside they have their opaque ids. */
function encodeReferences(context: WebContext, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => encodeReferences(context, item));
  if (typeof value !== "object" || value === null) return value;
  const { src, id } = value as { src?: unknown; id?: unknown };
  if (src === "hda" && typeof id === "number") return { src, id: context.ids.encode("dataset", id) };
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, encodeReferences(context, item)]),
  );
}

function parseQuery(request: Request): z.infer<typeof listQuery> {
  const parsed = listQuery.safeParse(request.query);
  if (!parsed.success) throw new ApiError(codes.invalid, z.prettifyError(parsed.error));
  const unknown = parsed.data.state?.find(
    (state) => !(jobStates as readonly string[]).includes(state) && state !== "failed",
  );
  if (unknown !== undefined)
    throw new ApiError(codes.invalid, `state: ${JSON.stringify(unknown)} is none of ${jobStates.join(", ")}`);
  return parsed.data;
}
