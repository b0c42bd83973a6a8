import { z } from "zod";
import { listHandlers, listPools } from "@galaxy-jobs/shared-db";
import type { ApiRoutes } from "../api-routes.ts";
import { time } from "../represent.ts";
import { time as timeAnswer } from "../schemas/fields.ts";
import type { WebContext } from "../web-context.ts";

/** The release of Galaxy whose API this speaks. */
const galaxyMajor = "25.0";

/** Prometheus' text format. */
const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

const handlerAnswer = z
  .strictObject({
    server_name: z.string(),
    hostname: z.string(),
    pid: z.int(),
    tags: z.array(z.string()),
    version: z.string(),
    start_time: timeAnswer,
    heartbeat_time: timeAnswer,
    heartbeat_age: z.number().meta({ description: "Seconds." }),
    jobs: z.strictObject({ claimed: z.int(), queued: z.int(), running: z.int() }),
  })
  .meta({ id: "Handler" });

/** What monitoring and administrators ask: versions, metrics, handlers and pools. */
export function serviceRoutes(api: ApiRoutes, context: WebContext): void {
  const { database } = context;

  api.get(
    "/api/version",
    {
      tag: "service",
      summary: "The release of Galaxy whose API this is, and this server's own",
      access: "anybody",
      answer: z.strictObject({
        version_major: z.string(),
        version_minor: z.string(),
        extra: z.strictObject({ server: z.string(), release: z.string() }),
      }),
    },
    () => ({
      version_major: galaxyMajor,
      version_minor: "0",
      extra: { server: "galaxy-jobs", release: context.release },
    }),
  );

  api.get(
    "/api/configuration",
    {
      tag: "service",
      summary: "What clients should know of the configuration",
      access: "anybody",
      answer: z.strictObject({
        brand: z.string(),
        version_major: z.string(),
        allow_user_creation: z.boolean(),
        single_user: z.boolean(),
      }),
    },
    () => ({
      brand: "galaxy-jobs",
      version_major: galaxyMajor,
      allow_user_creation: false,
      single_user: context.config.singleUser !== undefined,
    }),
  );

  api.get(
    "/metrics",
    {
      tag: "service",
      summary: "Metrics for Prometheus",
      access: "anybody",
      answer: { contentType: "text/plain", description: "Prometheus' text format." },
    },
    async ({ response }) => {
      const text = await context.metrics();
      response.type(metricsContentType).send(text);
    },
  );

  api.get(
    "/api/handlers",
    {
      tag: "service",
      summary: "The live handlers and what they have in hand",
      access: "admin",
      answer: z.array(handlerAnswer),
    },
    async () =>
      (await listHandlers(database)).map((handler) => ({
        server_name: handler.serverName,
        hostname: handler.hostname,
        pid: handler.pid,
        tags: [...handler.tags],
        version: handler.version,
        start_time: time(handler.startTime),
        heartbeat_time: time(handler.heartbeatTime),
        heartbeat_age: handler.heartbeatAge,
        jobs: {
          claimed: handler.jobsClaimed,
          queued: handler.jobsQueued,
          running: handler.jobsRunning,
        },
      })),
  );

  api.get(
    "/api/pools",
    {
      tag: "service",
      summary: "The pools with handlers or waiting jobs",
      access: "admin",
      answer: z.array(
        z
          .strictObject({
            tag: z.string().nullable().meta({ description: "null: a message gives the job to a mule." }),
            jobs_waiting: z.int(),
            handlers: z.array(z.string()),
          })
          .meta({ id: "Pool" }),
      ),
    },
    async () =>
      (await listPools(database)).map(({ tag, jobsWaiting, handlers }) => ({
        tag,
        jobs_waiting: jobsWaiting,
        handlers: [...handlers],
      })),
  );
}
