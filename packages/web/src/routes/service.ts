import { Router } from "express";
import { countJobs, listHandlers, listPools, migrationStatus } from "@galaxy-jobs/shared-db";
import { Gauge, Registry, collectDefaultMetrics } from "prom-client";
import { requireAdmin } from "../authenticate.ts";
import { time } from "../represent.ts";
import type { WebContext } from "../web-context.ts";

/** The release of Galaxy whose API this speaks. */
const galaxyMajor = "25.0";

/** What monitoring and administrators ask: versions, health, metrics, handlers and pools. */
export function serviceRoutes(context: WebContext): Router {
  const router = Router();
  const { database } = context;
  const registry = metricsRegistry(context);

  router.get("/api/version", (_request, response) => {
    response.json({
      version_major: galaxyMajor,
      version_minor: "0",
      extra: { server: "galaxy-jobs", release: context.release },
    });
  });

  router.get("/api/configuration", (_request, response) => {
    response.json({
      brand: "galaxy-jobs",
      version_major: galaxyMajor,
      allow_user_creation: false,
      single_user: context.config.singleUser !== undefined,
    });
  });

  router.get("/health/live", (_request, response) => {
    response.json({ status: "live" });
  });

  router.get("/health/ready", async (_request, response) => {
    try {
      const { current, latest, pending } = await migrationStatus(database);
      const ready = pending.length === 0 && current <= latest;
      response
        .status(ready ? 200 : 503)
        .json({ status: ready ? "ready" : "not ready", migration: current, pending });
    } catch {
      response.status(503).json({ status: "not ready", reason: "the database does not answer" });
    }
  });

  router.get("/metrics", async (_request, response) => {
    response.type(registry.contentType).send(await registry.metrics());
  });

  router.get("/api/handlers", async (request, response) => {
    await requireAdmin(context, request);
    const handlers = await listHandlers(database);
    response.json(
      handlers.map((handler) => ({
        server_name: handler.serverName,
        hostname: handler.hostname,
        pid: handler.pid,
        tags: handler.tags,
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
  });

  router.get("/api/pools", async (request, response) => {
    await requireAdmin(context, request);
    const pools = await listPools(database);
    response.json(
      pools.map(({ tag, jobsWaiting, handlers }) => ({ tag, jobs_waiting: jobsWaiting, handlers })),
    );
  });

  return router;
}

function metricsRegistry(context: WebContext): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const jobs = new Gauge({
    name: "galaxy_jobs",
    help: "Jobs by state",
    labelNames: ["state"],
    registers: [registry],
    async collect() {
      jobs.reset();
      for (const { state, count } of await countJobs(context.database)) jobs.set({ state }, count);
    },
  });
  return registry;
}
