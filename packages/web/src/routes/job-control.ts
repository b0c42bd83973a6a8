import { Router } from "express";
import { z } from "zod";
import { explainJob } from "@galaxy-jobs/handler";
import { readJobLock, writeJobLock } from "@galaxy-jobs/shared-db";
import { requireAdmin } from "../authenticate.ts";
import { ownedJob } from "../owned.ts";
import { readBody } from "../read-body.ts";
import { time } from "../represent.ts";
import type { WebContext } from "../web-context.ts";

export const jobLockBody = z.strictObject({ active: z.boolean() });

/** Why a job waits, and the lock that keeps all jobs from starting (galaxy.md 1.8). */
export function jobControlRoutes(context: WebContext): Router {
  const router = Router();
  const { database, config } = context;

  router.get("/api/jobs/:id/why", async (request, response) => {
    const { job } = await ownedJob(context, request);
    const { code, reason } = await explainJob(database, config, job);
    response.json({
      id: request.params.id,
      state: job.state,
      code,
      reason,
      since: time(job.waitReasonTime ?? job.updateTime),
    });
  });

  router.get("/api/job_lock", async (request, response) => {
    await requireAdmin(context, request);
    response.json({ active: await readJobLock(database) });
  });

  router.put("/api/job_lock", async (request, response) => {
    await requireAdmin(context, request);
    const { active } = readBody(jobLockBody, request);
    await writeJobLock(database, active);
    context.logger.info("job.lock", { active });
    response.json({ active });
  });

  return router;
}
