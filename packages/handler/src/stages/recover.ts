import {
  adoptJobsOfName,
  markJobRunningIfQueued,
  releaseJobsIfNew,
  requeueJobIfNotStarted,
  type Database,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import type { Tool } from "@galaxy-jobs/tools";
import { destinationOf } from "../destinations/destination-of.ts";
import type { HandlerContext } from "../handler-context.ts";
import { jobDirectory } from "../job-directory.ts";
import type { PreparedRun, RunEnd } from "../runners/runner.ts";
import { cleanUp } from "./clean-up.ts";
import { fail } from "./finish.ts";
import { misconfiguredInfo, runnerOf } from "./runner-of.ts";
import { stop } from "./stop.ts";

/** A run of an earlier process of this name that has to be watched on to its end. */
export interface RecoveredJob {
  readonly job: JobRow;
  readonly tool: Tool | undefined;
  readonly run: PreparedRun;
  readonly ended: Promise<RunEnd>;
}

/**
 * What the last process of this name left behind (galaxy.md 4.13): jobs that were only claimed go back to their pool, stop
 * requests are carried out, runs are found again by their directories. One job's trouble fails that job and no other.
 */
export async function recover(context: HandlerContext, database: Database): Promise<RecoveredJob[]> {
  const jobs = await adoptJobsOfName(database, context.incarnationId, context.config.serverName);
  await releaseJobsIfNew(
    database,
    jobs.filter(({ state }) => state === "new" || state === "resubmitted"),
  );
  const recovered: RecoveredJob[] = [];
  for (const job of jobs) {
    if (job.state === "new" || job.state === "resubmitted") continue;
    try {
      const found = await recoverOne(context, database, job);
      if (found !== undefined) recovered.push(found);
    } catch (error) {
      context.events.emit("trouble", { at: "recover", job: job.id, error });
      await fail(context, database, job, {
        info: `Could not recover the job after a restart of its handler: ${messageOf(error)}`,
      });
    }
  }
  return recovered;
}

async function recoverOne(
  context: HandlerContext,
  database: Database,
  job: JobRow,
): Promise<RecoveredJob | undefined> {
  const run = runOf(context, job);
  if (job.state === "deleting" || job.state === "stopping") {
    await stop(context, database, job, run);
    return undefined;
  }
  if (run === undefined) throw new Error(misconfiguredInfo);
  const recovered = await runnerOf(context, run.destination.runner).recover(run);
  context.events.emit("adopted", { job: job.id, found: recovered.found });
  switch (recovered.found) {
    case "not-started":
      await requeueJobIfNotStarted(database, job);
      await cleanUp(context, run, "deleted");
      return undefined;
    case "lost":
      return {
        job,
        tool: context.toolBox().get(job.toolId, job.toolVersion),
        run,
        ended: Promise.resolve({ exitCode: null, failure: recovered.reason, state: "unknown_error" }),
      };
    case "running":
      await markRunning(database, job, recovered.externalId);
      return { job, tool: context.toolBox().get(job.toolId, job.toolVersion), run, ended: recovered.ended };
    case "ended":
      await markRunning(database, job, "");
      return {
        job,
        tool: context.toolBox().get(job.toolId, job.toolVersion),
        run,
        ended: Promise.resolve(recovered.end),
      };
  }
}

/** A handler that died between the start and the write of it left the job queued. */
async function markRunning(database: Database, job: JobRow, externalId: string): Promise<void> {
  if (job.state !== "queued") return;
  await markJobRunningIfQueued(database, {
    id: job.id,
    fence: job.fence,
    externalId,
    commandLine: job.commandLine ?? "",
  });
}

function runOf(context: HandlerContext, job: JobRow): PreparedRun | undefined {
  const destination = destinationOf(context.config.jobs, job);
  if (destination === undefined || job.runFence === null) return undefined;
  const directory = jobDirectory(context.config.jobWorkingDirectory, job.id, job.runFence);
  return { jobId: job.id, runFence: job.runFence, directory, destination };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
