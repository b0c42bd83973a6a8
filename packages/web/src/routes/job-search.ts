import { z } from "zod";
import { findEqualJobs, jobStates } from "@galaxy-jobs/shared-db";
import type { ApiRoutes } from "../api-routes.ts";
import { decodeId } from "../owned.ts";
import { jobSummary } from "../represent.ts";
import { encodedId } from "../schemas/fields.ts";
import { jobSummaryAnswer } from "../schemas/job.ts";
import { checkedInputs, findTool, storedParameters } from "../submit-job.ts";
import type { WebContext } from "../web-context.ts";

const states = z.enum(jobStates);

/** POST /api/jobs/search: whether the same was computed already (galaxy.md 6.2). */
export function jobSearchRoutes(api: ApiRoutes, context: WebContext): void {
  const { database, ids } = context;
  api.post(
    "/api/jobs/search",
    {
      tag: "jobs",
      summary: "Your jobs of a tool with the same inputs",
      access: "user",
      body: z.strictObject({
        tool_id: z.string(),
        tool_version: z.string().nullish(),
        inputs: z.record(z.string(), z.unknown()).default({}),
        state: z
          .union([states, z.array(states)])
          .nullish()
          .meta({ description: "By default those that have not failed." }),
        history_id: encodedId.nullish(),
      }),
      answer: z.array(jobSummaryAnswer),
    },
    async ({ caller, body }) => {
      const tool = findTool(context, body.tool_id, body.tool_version ?? undefined);
      const jobs = await findEqualJobs(database, {
        userId: caller.user.id,
        toolId: tool.id,
        toolVersion: tool.version,
        params: storedParameters(context, tool, checkedInputs(tool, body.inputs)),
        states: [body.state ?? ["new", "waiting", "resubmitted", "queued", "running", "ok"]].flat(),
        historyId: body.history_id == null ? undefined : decodeId(context, "history", body.history_id),
        limit: 100,
      });
      return jobs.map((job) => jobSummary(ids, job, caller.isAdmin));
    },
  );
}
