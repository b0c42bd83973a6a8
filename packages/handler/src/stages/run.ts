import {
  markJobRunningIfQueued,
  markJobSubmittedIfQueued,
  type Database,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { atStep } from "../fault-points.ts";
import type { HandlerContext } from "../handler-context.ts";
import { awaitBegin, type RunUnderWay } from "./await-begin.ts";
import type { Preparation } from "./prepare.ts";
import { runnerOf } from "./runner-of.ts";

/**
 * Starts a prepared run, under the lease, and writes that it runs, or where it waits for that.
 * @returns the run's end, or undefined when the row says that the job was deleted meanwhile, or is somebody else's. Whose it is
 *   decides what becomes of the run: an adopter may be watching it already.
 */
export async function run(
  context: HandlerContext,
  database: Database,
  job: JobRow,
  { run: prepared, commandLine }: Preparation,
): Promise<RunUnderWay | undefined> {
  const runner = runnerOf(context, prepared.destination.runner);
  const { toolId } = job;
  const started = await atStep(
    context.fault,
    "start",
    async () => {
      // The start begins in the same turn of the loop as this look at the lease.
      while (!context.lease.held()) await context.lease.whenHeld();
      return runner.start(prepared);
    },
    toolId,
  );
  const { externalId, queue } = started;
  const facts = { id: job.id, fence: job.fence, externalId, commandLine };
  const mark = queue === undefined ? markJobRunningIfQueued : markJobSubmittedIfQueued;
  const mine = await context.untilWritten("run", job.id, () =>
    atStep(context.fault, "mark-running", () => mark(database, facts), toolId),
  );
  if (!mine) {
    context.events.emit("let_go", { job: job.id, fence: job.fence, at: "run" });
    return undefined;
  }
  const event = queue === undefined ? "started" : "submitted";
  context.events.emit(event, { job: job.id, fence: job.fence, externalId });
  return awaitBegin(context, database, job, started, commandLine);
}
