import { z } from "zod";
import {
  browseJobs,
  findUserByEmail,
  jobStates,
  listMaintenanceRuns,
  listOperatorActions,
} from "@galaxy-jobs/shared-db";
import type { ApiRoutes } from "../api-routes.ts";
import { time } from "../represent.ts";
import { anybodysJob, maintenanceRun, operatorAction } from "../schemas/administration.ts";
import { text, wholeNumber } from "../schemas/fields.ts";
import type { WebContext } from "../web-context.ts";

const tag = "administration";
const access = "admin";
const limit = wholeNumber(50, { min: 1, max: 500 });

/** What the administrator's page shows beside the handlers. */
export function administrationRoutes(api: ApiRoutes, context: WebContext): void {
  const { database, ids } = context;

  api.get(
    "/api/admin/jobs",
    {
      tag,
      summary: "The newest jobs of all users",
      access,
      query: z.object({
        state: z.enum(jobStates).optional(),
        tool_id: text(255).optional(),
        handler: text(255).optional().meta({ description: "A handler, or the tag that a job waits under." }),
        user_email: text(255).optional(),
        limit,
      }),
      answer: z.array(anybodysJob),
    },
    async ({ query }) => {
      const { state, tool_id: toolId, handler, user_email: email } = query;
      const user = email === undefined ? undefined : await findUserByEmail(database, email);
      if (email !== undefined && user === undefined) return [];
      const jobs = await browseJobs(database, {
        ...(state === undefined ? {} : { states: [state] }),
        ...(toolId === undefined ? {} : { toolId }),
        ...(handler === undefined ? {} : { handler }),
        ...(user === undefined ? {} : { userId: user.id }),
        limit: query.limit,
      });
      return jobs.map((job) => ({
        id: ids.encode("job", job.id),
        tool_id: job.toolId,
        state: job.state,
        handler: job.handler,
        user_email: job.userEmail,
        create_time: time(job.createTime),
        update_time: time(job.updateTime),
        exit_code: job.exitCode,
        info: job.info,
      }));
    },
  );

  api.get(
    "/api/admin/maintenance_runs",
    {
      tag,
      summary: "The last runs of maintenance",
      access,
      query: z.object({ task: text(255).optional(), limit }),
      answer: z.array(maintenanceRun),
    },
    async ({ query: { task, limit: most } }) => {
      const runs = await listMaintenanceRuns(database, {
        limit: most,
        ...(task === undefined ? {} : { task }),
      });
      return runs.map((run) => ({
        task: run.task,
        server_name: run.serverName,
        hostname: run.hostname,
        start_time: time(run.startTime),
        end_time: time(run.endTime),
        outcome: run.outcome,
        counts: { ...run.counts },
        error: run.error,
      }));
    },
  );

  api.get(
    "/api/admin/actions",
    {
      tag,
      summary: "What administrators did to handlers and to the jobs of others",
      access,
      query: z.object({ server_name: text(255).optional(), limit }),
      answer: z.array(operatorAction),
    },
    async ({ query: { server_name: serverName, limit: most } }) => {
      const filter = { limit: most, ...(serverName === undefined ? {} : { serverName }) };
      return (await listOperatorActions(database, filter)).map((action) => ({
        create_time: time(action.createTime),
        actor: action.actor,
        action: action.action,
        server_name: action.serverName,
        job_id: action.jobId === null ? null : ids.encode("job", action.jobId),
        details: { ...action.details },
      }));
    },
  );
}
