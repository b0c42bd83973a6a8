import { z } from "zod";
import {
  channels,
  jobOutputs,
  jobStates,
  listJobs,
  recordOperatorAction,
  resumeJobIfPaused,
  type ListedJob,
} from "@galaxy-jobs/shared-db";
import { actorOf } from "../actor-of.ts";
import { ApiError, codes } from "../api-error.ts";
import type { ApiRoutes } from "../api-routes.ts";
import { endJob } from "../end-job.ts";
import { parseJobSearch } from "../job-search.ts";
import { decodeId, jobId, ownedJob } from "../owned.ts";
import { fullJob, namedDatasets } from "../represent-job.ts";
import { jobSummary } from "../represent.ts";
import { encodedId, flag, moment, oneOrMore, text, wholeNumber } from "../schemas/fields.ts";
import { fullJobAnswer, jobSummaryAnswer, namedDataset } from "../schemas/job.ts";
import type { Caller, WebContext } from "../web-context.ts";

/** Galaxy's states that no job has here. */
const otherStates = ["upload", "failed", "skipped", "stop"] as const;

// Strict: a filter that is misspelt, or that this server lacks, must not list jobs that it should have kept out.
const listQuery = z.strictObject({
  state: oneOrMore(z.enum([...jobStates, ...otherStates]), jobStates).optional(),
  tool_id: oneOrMore(text(255)).optional(),
  tool_id_like: oneOrMore(text(255).regex(/[^\\]$/, "must not end with a backslash"))
    .optional()
    .meta({ description: "% stands for any text." }),
  history_id: encodedId.optional(),
  user_id: encodedId.optional().meta({ description: "Of another user: administrators only." }),
  user_details: flag.default(false).meta({ description: "With user_email; administrators only." }),
  date_range_min: moment.optional().meta({ description: "Changed then or later." }),
  date_range_max: moment.optional().meta({ description: "Changed then or earlier." }),
  search: text(1_000).optional().meta({
    description:
      "tool:'x', handler:'x', runner:'x', user:'x' (administrators); words stand for parts of the tool's id.",
  }),
  order_by: z.enum(["create_time", "update_time"]).default("update_time"),
  view: z
    .enum(["collection", "admin_job_list"])
    .default("collection")
    .meta({ description: "admin_job_list: of all users; administrators only." }),
  limit: wholeNumber(500, { max: 1_000 }),
  offset: wholeNumber(0),
});
type ListQuery = z.output<typeof listQuery>;

/** Jobs: the list, one of them, its end and its resumption (galaxy.md 6.2). */
export function jobRoutes(api: ApiRoutes, context: WebContext): void {
  const { database, ids } = context;

  api.get(
    "/api/jobs",
    {
      tag: "jobs",
      summary: "Your jobs, newest first",
      access: "caller",
      query: listQuery,
      answer: z.array(jobSummaryAnswer),
    },
    async ({ caller, query }) => {
      const { history_id: history } = query;
      const jobs = await listJobs(database, {
        userId: listedUser(context, caller, query),
        states: query.state?.map((state) => (state === "stop" ? "stopping" : state)),
        toolIds: query.tool_id,
        toolIdsLike: query.tool_id_like,
        historyId: history === undefined ? undefined : decodeId(context, "history", history),
        since: query.date_range_min,
        until: query.date_range_max,
        search: query.search === undefined ? [] : parseJobSearch(query.search, caller.isAdmin),
        orderBy: query.order_by,
        limit: query.limit,
        offset: query.offset,
      });
      return jobs.map((job) => ({
        ...jobSummary(ids, job, caller.isAdmin),
        ...listDetails(context, job, query),
      }));
    },
  );

  api.get(
    "/api/jobs/{id}",
    {
      tag: "jobs",
      summary: "A job",
      access: "caller",
      params: jobId,
      query: z.object({ full: flag.default(false) }),
      answer: z.union([fullJobAnswer, jobSummaryAnswer]),
    },
    async ({ caller, params, query }) => {
      const job = await ownedJob(context, caller, params.id);
      return query.full ? fullJob(context, job, caller.isAdmin) : jobSummary(ids, job, caller.isAdmin);
    },
  );

  api.delete(
    "/api/jobs/{id}",
    {
      tag: "jobs",
      summary: "End a job",
      description: "Its processes are ended by its handler; the state is deleting until then.",
      access: "caller",
      params: jobId,
      body: z.strictObject({
        message: text(255).optional().meta({ description: "Shown to the user; administrators only." }),
      }),
      answer: z.boolean().meta({ description: "false: it had ended already." }),
    },
    async ({ caller, params, body: { message } }) => {
      const job = await ownedJob(context, caller, params.id);
      if (message !== undefined && !caller.isAdmin)
        throw new ApiError(codes.adminOnly, "message: only administrators can give one");
      const asked = await endJob(context, job.id, message);
      if (asked && job.userId !== (caller.user?.id ?? null))
        await recordOperatorAction(database, { actor: actorOf(caller), action: "cancel", jobId: job.id });
      return asked;
    },
  );

  api.put(
    "/api/jobs/{id}/resume",
    {
      tag: "jobs",
      summary: "Resume a paused job, and those that were paused for want of its outputs",
      access: "caller",
      params: jobId,
      answer: z.array(namedDataset),
    },
    async ({ caller, params }) => {
      const job = await ownedJob(context, caller, params.id);
      const resumed = await resumeJobIfPaused(database, job.id);
      if (resumed.length === 0)
        throw new ApiError(codes.conflict, `the job is ${job.state}; only a paused job can be resumed`);
      if (job.assignedHandler !== null) context.hints.send(channels.newJobs, job.assignedHandler);
      return namedDatasets(context, await jobOutputs(database, job.id));
    },
  );
}

/** Whose jobs are listed; undefined: everybody's. @throws ApiError for what only administrators may ask */
function listedUser(context: WebContext, caller: Caller, query: ListQuery): number | undefined {
  const asked = query.user_id === undefined ? undefined : decodeId(context, "user", query.user_id);
  if (!caller.isAdmin) {
    if (asked !== undefined && asked !== caller.user?.id)
      throw new ApiError(codes.adminOnly, "Only admins can index the jobs of others");
    if (query.view === "admin_job_list" || query.user_details)
      throw new ApiError(codes.adminOnly, "Only admins can use the admin_job_list view and user_details");
  }
  if (asked !== undefined) return asked;
  const everybody = caller.isAdmin && (query.view === "admin_job_list" || caller.user === undefined);
  return everybody ? undefined : caller.user?.id;
}

function listDetails({ ids }: WebContext, job: ListedJob, query: ListQuery) {
  const owner = {
    user_email: job.userEmail,
    user_id: job.userId === null ? null : ids.encode("user", job.userId),
  };
  // Sessions and addresses are not recorded.
  if (query.view === "admin_job_list") return { ...owner, session_id: null, remote_host: null };
  return query.user_details ? owner : {};
}
