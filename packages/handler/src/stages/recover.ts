import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { releaseJobsIfNew, requeueJobIfNotStarted, type Database, type JobRow } from "@galaxy-jobs/shared-db";
import type { Tool } from "@galaxy-jobs/tools";
import { atStep } from "../fault-points.ts";
import { destinationOf } from "../destinations/destination-of.ts";
import type { HandlerContext } from "../handler-context.ts";
import { jobDirectory, jobFiles } from "../job-directory.ts";
import type { PreparedRun, RecoveredRun } from "../runners/runner.ts";
import { awaitBegin, type RunUnderWay } from "./await-begin.ts";
import { cleanUp } from "./clean-up.ts";
import { fail } from "./finish.ts";
import { hasDirectory, misconfiguredInfo, runnerOf } from "./runner-of.ts";
import { stop } from "./stop.ts";

/** An adopted run that has to be watched on to its end. */
export interface RecoveredJob extends RunUnderWay {
  readonly tool: Tool | undefined;
  readonly run: PreparedRun;
}

/**
 * Finds out what became of an adopted job, which an earlier process of this name or a dead neighbour left behind
 * (galaxy.md 4.13): a stop request is carried out, a run is found again by its directory, one that was never started goes back
 * to its pool. Trouble fails that job and no other.
 * @returns undefined when nothing of it is left to be watched
 */
export async function recover(
  context: HandlerContext,
  database: Database,
  job: JobRow,
): Promise<RecoveredJob | undefined> {
  const run = runOf(context, job);
  if (job.state === "deleting" || job.state === "stopping") {
    await stop(context, database, job, run);
    return undefined;
  }
  if (job.state === "new" || job.state === "resubmitted") {
    await giveBack(context, job, false, () => releaseJobsIfNew(database, [job]));
    return undefined;
  }
  if (run === undefined) throw new Error(misconfiguredInfo);
  const { recovered, isSpared } = await lookForRun(context, job, run);
  context.events.emit("adopted", { job: job.id, found: recovered.found });
  const tool = context.toolBox().get(job.toolId, job.toolVersion);
  switch (recovered.found) {
    case "not-started":
      await giveBack(context, job, isSpared, () => requeueJobIfNotStarted(database, job, isSpared));
      return undefined;
    case "lost":
      return {
        tool,
        run,
        ended: Promise.resolve({ exitCode: null, failure: recovered.reason, state: "unknown_error" }),
      };
    case "running":
      if (recovered.queue === undefined) await markRunning(context, job, recovered.externalId);
      return { tool, run, ...awaitBegin(context, database, job, recovered) };
    case "ended":
      await markRunning(context, job, "");
      return { tool, run, ended: Promise.resolve(recovered.end) };
  }
}

/**
 * Asks the runner, and closes the run where it was not started. A directory that is not there yet is made, and stays: its
 * name is taken, so a handler that was paused before it made it cannot go on (incarnation.ts, "Never twice").
 * @returns also whether the job cannot be what its handler died of: it had not been prepared yet, or it waited for a worker
 */
async function lookForRun(
  context: HandlerContext,
  job: JobRow,
  run: PreparedRun,
): Promise<{ readonly recovered: RecoveredRun; readonly isSpared: boolean }> {
  const { fault } = context;
  const runner = runnerOf(context, run.destination.runner);
  if (!hasDirectory(context, run)) return { recovered: await runner.recover(run), isSpared: false };
  const made = await atStep(fault, "recover.close", () => makeIfAbsent(run.directory), job.toolId);
  const recovered = await atStep(fault, "recover.run", () => runner.recover(run), job.toolId);
  if (recovered.found !== "not-started") return { recovered, isSpared: false };
  const waited = existsSync(jobFiles(run.directory, job.id).jobScript) && recovered.asked !== true;
  if (!made) await cleanUp(context, run, "deleted");
  return { recovered, isSpared: made || waited };
}

/** @returns whether this call made it */
async function makeIfAbsent(directory: string): Promise<boolean> {
  await mkdir(dirname(directory), { recursive: true });
  try {
    await mkdir(directory);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Back to the pool, unless too many handlers died over it. */
async function giveBack(
  context: HandlerContext,
  job: JobRow,
  isSpared: boolean,
  release: () => Promise<unknown>,
): Promise<void> {
  const limit = context.config.jobPoisonLimit;
  if (limit > 0 && !isSpared && job.handlerDeaths >= limit) {
    const info = `The job was given up: ${job.handlerDeaths} times its handler died while it prepared the job (job_poison_limit).`;
    await fail(context, job, { info });
    return;
  }
  await context.untilWritten("requeue", job.id, () => atStep(context.fault, "requeue", release, job.toolId));
}

/** A handler that died between the start and the write of it left the job queued. */
async function markRunning(context: HandlerContext, job: JobRow, externalId: string): Promise<void> {
  if (job.state !== "queued") return;
  const started = { id: job.id, fence: job.fence, externalId, commandLine: job.commandLine ?? "" };
  await context.states.running(started);
}

function runOf(context: HandlerContext, job: JobRow): PreparedRun | undefined {
  const destination = destinationOf(context.config.jobs, job);
  if (destination === undefined || job.runFence === null) return undefined;
  const directory = jobDirectory(context.config.jobWorkingDirectory, job.id, job.runFence);
  return { jobId: job.id, runFence: job.runFence, directory, destination, toolId: job.toolId };
}
