import { z } from "zod";
import {
  answers,
  drain,
  knownHandler,
  OperationRefused,
  reassign,
  remainingWork,
  remove,
  resume,
  type ExpectedJob,
} from "@galaxy-jobs/handler";
import { listHandlers, listPools, type HandlerRow, type IdEncoder } from "@galaxy-jobs/shared-db";
import { actorOf } from "../actor-of.ts";
import { ApiError, codes } from "../api-error.ts";
import type { ApiRoutes } from "../api-routes.ts";
import { time } from "../represent.ts";
import {
  drainedAnswer,
  handlerAnswer,
  handlerWithJobs,
  poolAnswer,
  reassignedAnswer,
} from "../schemas/administration.ts";
import { flag, text } from "../schemas/fields.ts";
import type { WebContext } from "../web-context.ts";

const tag = "administration";
const access = "admin";
const params = z.object({ name: text(255) });
const unknown = { 404: "There is no such handler." };
const refused = { ...unknown, 409: "It cannot be done now; the message says why, and nothing was changed." };

const reassignBody = z
  .strictObject({
    to: text(255).optional().meta({ description: "The handler that gets them." }),
    to_pool: text(255).optional().meta({ description: "Or the pool: job-handlers, or job-handlers.TAG." }),
    started: z.boolean().default(false).meta({ description: "Hand over the jobs under way too." }),
  })
  .refine((body) => (body.to === undefined) !== (body.to_pool === undefined), {
    message: "say who gets the jobs: either to (a handler) or to_pool (job-handlers, or job-handlers.TAG)",
  });

/** Handlers and pools: what they have, and what administrators do with them (galaxy.md 1.8). */
export function handlerRoutes(api: ApiRoutes, context: WebContext): void {
  const { config, database, ids } = context;

  api.get(
    "/api/handlers",
    {
      tag,
      summary: "The handlers and what they have in hand",
      access,
      query: z.object({ all: flag.optional().meta({ description: "Also those that have ended." }) }),
      answer: z.array(handlerAnswer),
    },
    async ({ query: { all = false } }) => {
      const defined = config.jobs.handlers.map(({ id }) => id);
      return (await listHandlers(database, { all, defined })).map(represent);
    },
  );

  api.get(
    "/api/handlers/{name}",
    {
      tag,
      summary: "What a handler still has to do",
      access,
      params,
      answer: handlerWithJobs,
      statuses: unknown,
    },
    async ({ params: { name } }) => {
      const handler = await refusing(() => knownHandler(database, config, name));
      const { jobs, emptyIn, truncated, unknown: unknownJobs, stuck } = await remainingWork(database, name);
      return {
        ...represent(handler),
        remaining: jobs.map((job) => representJob(ids, job)),
        remaining_truncated: truncated,
        estimate: { empty_in: emptyIn, unknown: unknownJobs, stuck },
      };
    },
  );

  api.put(
    "/api/handlers/{name}/drain",
    {
      tag,
      summary: "Take nothing new from now on, live and over restarts",
      access,
      params,
      answer: drainedAnswer,
      statuses: unknown,
    },
    async ({ caller, params: { name } }) => {
      const drained = await refusing(() =>
        drain(database, config, { serverName: name, actor: actorOf(caller) }),
      );
      return {
        changed: drained.changed,
        drain_time: time(drained.drainTime),
        drained_by: drained.drainedBy,
        given_back: drained.jobs,
      };
    },
  );

  api.put(
    "/api/handlers/{name}/resume",
    {
      tag,
      summary: "Take jobs again",
      access,
      params,
      answer: z.strictObject({ drained: z.literal(false) }),
      statuses: refused,
    },
    async ({ caller, params: { name } }) => {
      await refusing(() => resume(database, config, { serverName: name, actor: actorOf(caller) }));
      return { drained: false as const };
    },
  );

  api.post(
    "/api/handlers/{name}/reassign",
    {
      tag,
      summary: "Give the jobs of a handler, dead or alive, to another one or to a pool",
      access,
      params,
      body: reassignBody,
      answer: reassignedAnswer,
      statuses: refused,
    },
    async ({ caller, params: { name }, body: { to, to_pool: pool, started } }) => {
      const operation = { serverName: name, actor: actorOf(caller), started };
      const target = to === undefined ? { pool: pool! } : { handler: to };
      const done = await refusing(() => reassign(database, config, { ...operation, to: target }));
      return { to: done.to, moved: done.moved, offered: done.offered, notes: [...done.notes] };
    },
  );

  api.delete(
    "/api/handlers/{name}",
    {
      tag,
      summary: "Forget a handler that has ended and whose jobs are done",
      access,
      params,
      answer: z.strictObject({ removed: z.literal(true), notes: z.array(z.string()) }),
      statuses: refused,
    },
    async ({ caller, params: { name } }) => {
      const notes = await refusing(() =>
        remove(database, config, { serverName: name, actor: actorOf(caller) }),
      );
      return { removed: true as const, notes: [...notes] };
    },
  );

  api.get(
    "/api/pools",
    { tag, summary: "The pools with handlers or waiting jobs", access, answer: z.array(poolAnswer) },
    async () =>
      (await listPools(database)).map((pool) => ({
        tag: pool.tag,
        jobs_waiting: pool.jobsWaiting,
        handlers: [...pool.handlers],
        drained: [...pool.drained],
      })),
  );
}

/** @throws ApiError in the place of a refusal */
async function refusing<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof OperationRefused)
      throw new ApiError(error.kind === "unknown" ? codes.notFound : codes.conflict, error.message);
    throw error;
  }
}

function represent(handler: HandlerRow) {
  const { drainTime, drainedBy } = handler;
  return {
    server_name: handler.serverName,
    live: answers(handler),
    hostname: handler.hostname,
    pid: handler.pid,
    tags: [...handler.tags],
    version: handler.version,
    start_time: time(handler.startTime),
    heartbeat_time: time(handler.heartbeatTime),
    heartbeat_age: handler.heartbeatAge,
    end_time: time(handler.endTime),
    end_reason: handler.endReason,
    drained: drainTime === null ? null : { since: time(drainTime), by: drainedBy! },
    jobs: {
      claimed: handler.jobsClaimed,
      queued: handler.jobsQueued,
      running: handler.jobsRunning,
      ending: handler.jobsEnding,
      assigned: handler.jobsAssigned,
    },
  };
}

function representJob(ids: IdEncoder, job: ExpectedJob) {
  return {
    id: ids.encode("job", job.id),
    tool_id: job.toolId,
    state: job.state,
    user_email: job.userEmail,
    held: job.held,
    elapsed: job.elapsed,
    remaining: job.remaining,
    handed_to: job.handedTo,
    wait_reason: job.waitReason,
  };
}
