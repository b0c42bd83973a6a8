import type { Request } from "express";
import type { z } from "zod";
import { ApiError, codes } from "../api-error.ts";
import type { ApiRoutes } from "../api-routes.ts";
import type { CallerOf } from "../endpoint.ts";
import { errorAnswerOf } from "../error-answer.ts";
import { check } from "../read-request.ts";
import { batchAnswer, batchOfRuns, submission, type batchedRunAnswer } from "../schemas/tool.ts";
import { findTool, submitJob } from "../submit-job.ts";
import type { WebContext } from "../web-context.ts";
import { uploadTool } from "./tools.ts";

/** Runs of a batch that are checked and written at once; the requests of others have their turn in between. */
const slice = 50;

/** Many runs in one request. */
export function jobBatchRoutes(api: ApiRoutes, context: WebContext): void {
  api.post(
    "/api/jobs/batch",
    {
      tag: "jobs",
      summary: "Run up to 1,000 tools",
      description:
        "Each run is checked, created and answered on its own, in the order of the request: a faulty one stops no other. The status is 200 whenever the batch itself could be read. An input cannot be an output of another run of the same batch.",
      access: "user",
      body: batchOfRuns,
      answer: batchAnswer,
    },
    async ({ request, caller, body: { runs, history_id: history } }) => {
      const results: z.infer<typeof batchedRunAnswer>[] = [];
      for (let from = 0; from < runs.length; from += slice) {
        const some = runs.slice(from, from + slice);
        const one = (run: unknown) => attempt(context, request, caller, run, history);
        results.push(...(await Promise.all(some.map(one))));
      }
      const created = results.filter(({ status }) => status === 200).length;
      return { results, created, refused: results.length - created };
    },
  );
}

async function attempt(
  context: WebContext,
  request: Request,
  caller: CallerOf["user"],
  given: unknown,
  history: string | undefined,
): Promise<z.infer<typeof batchedRunAnswer>> {
  try {
    const run = check(submission, given);
    if (run.tool_id === uploadTool.id)
      throw new ApiError(codes.invalid, "tool_id: a batch cannot upload; use POST /api/tools for upload1");
    const tool = findTool(context, run.tool_id, run.tool_version ?? undefined);
    const asked = { ...caller, tool, historyId: run.history_id ?? history, inputs: run.inputs };
    return { status: 200, ...(await submitJob(context, asked)) };
  } catch (error) {
    const { status, body } = errorAnswerOf(context, error, request);
    return { status, ...body };
  }
}
