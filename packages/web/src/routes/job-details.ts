import { z } from "zod";
import { jobInputs, jobOutputs } from "@galaxy-jobs/shared-db";
import type { ApiRoutes } from "../api-routes.ts";
import { displayParameters } from "../display-parameters.ts";
import { jobId, ownedDataset, ownedJob } from "../owned.ts";
import { encodeReferences, metricsOf, namedDatasets } from "../represent-job.ts";
import { encodedId } from "../schemas/fields.ts";
import { displayedParameters, jobMetric, namedDataset } from "../schemas/job.ts";
import type { WebContext } from "../web-context.ts";

/** Galaxy's words, on which its clients rely. */
const noMail: [text: string, level: string] = [
  "An error occurred sending the report by email: Mail is not configured for this Galaxy instance",
  "danger",
];

/** What one wants to know of a job beside its state (galaxy.md 6.2). */
export function jobDetailRoutes(api: ApiRoutes, context: WebContext): void {
  const { database, ids } = context;

  api.get(
    "/api/jobs/{id}/inputs",
    {
      tag: "jobs",
      summary: "The datasets that the job reads",
      access: "caller",
      params: jobId,
      answer: z.array(namedDataset),
    },
    async ({ caller, params }) => {
      const job = await ownedJob(context, caller, params.id);
      const inputs = await jobInputs(database, job.id);
      return inputs.map(({ inputName, id }) => ({
        name: inputName,
        dataset: { src: "hda" as const, id: ids.encode("dataset", id) },
      }));
    },
  );

  api.get(
    "/api/jobs/{id}/outputs",
    {
      tag: "jobs",
      summary: "The datasets that the job makes",
      access: "caller",
      params: jobId,
      answer: z.array(namedDataset),
    },
    async ({ caller, params }) => {
      const job = await ownedJob(context, caller, params.id);
      return namedDatasets(context, await jobOutputs(database, job.id));
    },
  );

  api.get(
    "/api/jobs/{id}/metrics",
    {
      tag: "jobs",
      summary: "The job's times",
      access: "caller",
      params: jobId,
      answer: z.array(jobMetric),
    },
    async ({ caller, params }) => metricsOf(await ownedJob(context, caller, params.id)),
  );

  api.get(
    "/api/jobs/{id}/parameters_display",
    {
      tag: "jobs",
      summary: "The job's parameters for people, with their labels",
      access: "caller",
      params: jobId,
      answer: displayedParameters,
    },
    async ({ caller, params }) => displayParameters(context, await ownedJob(context, caller, params.id)),
  );

  api.get(
    "/api/jobs/{id}/common_problems",
    {
      tag: "jobs",
      summary: "What is often wrong when a job fails",
      access: "caller",
      params: jobId,
      answer: z.strictObject({ has_empty_inputs: z.boolean(), has_duplicate_inputs: z.boolean() }),
    },
    async ({ caller, params }) => {
      const job = await ownedJob(context, caller, params.id);
      const inputs = await jobInputs(database, job.id);
      return {
        has_empty_inputs: inputs.some(({ fileSize }) => (fileSize ?? 0) === 0),
        has_duplicate_inputs: new Set(inputs.map(({ id }) => id)).size < inputs.length,
      };
    },
  );

  api.get(
    "/api/jobs/{id}/destination_params",
    {
      tag: "jobs",
      summary: "Where the job runs or ran",
      access: "admin",
      params: jobId,
      answer: z.looseObject({
        Runner: z.string().nullable(),
        "Runner Job ID": z.string().nullable(),
        Handler: z.string().nullable(),
      }),
    },
    async ({ caller, params }) => {
      const job = await ownedJob(context, caller, params.id);
      return {
        ...job.destinationParams,
        Runner: job.jobRunnerName,
        "Runner Job ID": job.jobRunnerExternalId,
        Handler: job.handler,
      };
    },
  );

  api.get(
    "/api/jobs/{id}/build_for_rerun",
    {
      tag: "jobs",
      summary: "What to send to run the job's tool again with its inputs",
      access: "caller",
      params: jobId,
      answer: z.strictObject({
        id: z.string().meta({ description: "Of the tool." }),
        version: z.string(),
        history_id: encodedId.nullable(),
        state_inputs: z.record(z.string(), z.unknown()),
        job_remap: z.null(),
      }),
    },
    async ({ caller, params }) => {
      const job = await ownedJob(context, caller, params.id);
      return {
        id: job.toolId,
        version: job.toolVersion,
        history_id: job.historyId === null ? null : ids.encode("history", job.historyId),
        state_inputs: encodeReferences(context, job.params) as Record<string, unknown>,
        job_remap: null,
      };
    },
  );

  api.post(
    "/api/jobs/{id}/error",
    {
      tag: "jobs",
      summary: "Report a failed job to the administrators",
      description: "This server sends no mail; the report goes to its log, and the answer says so.",
      access: "caller",
      params: jobId,
      body: z.strictObject({
        dataset_id: encodedId,
        email: z.string().max(255).nullish(),
        message: z.string().max(10_000).nullish(),
      }),
      answer: z.strictObject({ messages: z.array(z.tuple([z.string(), z.string()])) }),
    },
    async ({ caller, params, body }) => {
      const job = await ownedJob(context, caller, params.id);
      await ownedDataset(context, caller, body.dataset_id);
      context.logger.warn("job.reported", {
        job: job.id,
        user: caller.user?.email,
        message: body.message ?? "",
      });
      return { messages: [noMail] };
    },
  );
}
