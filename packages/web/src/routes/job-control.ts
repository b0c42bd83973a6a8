import { z } from "zod";
import { explainJob } from "@galaxy-jobs/handler";
import { readJobLock, recordOperatorAction, writeJobLock } from "@galaxy-jobs/shared-db";
import { actorOf } from "../actor-of.ts";
import type { ApiRoutes } from "../api-routes.ts";
import { jobId, ownedJob } from "../owned.ts";
import { time } from "../represent.ts";
import { whyAnswer } from "../schemas/job.ts";
import type { WebContext } from "../web-context.ts";

const lock = z.strictObject({ active: z.boolean() });

/** Why a job waits, and the lock that keeps all jobs from starting (galaxy.md 1.8). */
export function jobControlRoutes(api: ApiRoutes, context: WebContext): void {
  const { database, config } = context;

  api.get(
    "/api/jobs/{id}/why",
    { tag: "jobs", summary: "Why a job waits", access: "caller", params: jobId, answer: whyAnswer },
    async ({ caller, params }) => {
      const job = await ownedJob(context, caller, params.id);
      const { code, reason } = await explainJob(database, config, job);
      return {
        id: params.id,
        state: job.state,
        code,
        reason,
        since: time(job.waitReasonTime ?? job.updateTime),
      };
    },
  );

  api.get(
    "/api/job_lock",
    { tag: "service", summary: "Whether the start of jobs is locked", access: "admin", answer: lock },
    async () => ({ active: await readJobLock(database) }),
  );

  api.put(
    "/api/job_lock",
    {
      tag: "service",
      summary: "Lock the start of jobs, or unlock it",
      access: "admin",
      body: lock,
      answer: lock,
    },
    async ({ body, caller }) => {
      await writeJobLock(database, body.active);
      await recordOperatorAction(database, {
        actor: actorOf(caller),
        action: body.active ? "lock" : "unlock",
      });
      context.logger.info("job.lock", { active: body.active });
      return body;
    },
  );
}
