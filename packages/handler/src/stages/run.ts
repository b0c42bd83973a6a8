import { markJobSubmittedIfQueued, type Database, type JobRow } from "@galaxy-jobs/shared-db";
import { atStep } from "../fault-points.ts";
import type { HandlerContext } from "../handler-context.ts";
import type { PreparedRun, Runner, StartedRun } from "../runners/runner.ts";
import { awaitBegin, type RunUnderWay } from "./await-begin.ts";
import type { Preparation } from "./prepare.ts";
import { runnerOf } from "./runner-of.ts";

/**
 * Starts a prepared run, under the lease, and writes that it runs, or where it waits for that. A run that ends before this is
 * written need not wait for it: its end is written behind its start, or together with it.
 * @returns undefined when the row says that the job was deleted meanwhile, or is somebody else's, as `marked` of the answer does
 *   later. Whose it is decides what becomes of the run: an adopter may be watching it already.
 */
export async function run(
  context: HandlerContext,
  database: Database,
  job: JobRow,
  { run: prepared, commandLine }: Preparation,
): Promise<RunUnderWay | undefined> {
  const runner = runnerOf(context, prepared.destination.runner);
  const { id, fence, toolId } = job;
  const started = await atStep(
    context.fault,
    "start",
    () => startUnderLease(context, runner, prepared),
    toolId,
  );
  const { externalId, queue } = started;
  if (queue === undefined) return markRunning(context, job, started, commandLine);
  const mine = await context.untilWritten("run", id, () =>
    atStep(
      context.fault,
      "mark-running",
      () => markJobSubmittedIfQueued(database, { id, fence, externalId, commandLine }),
      toolId,
    ),
  );
  if (!mine) {
    context.events.emit("let_go", { job: id, fence, at: "run" });
    return undefined;
  }
  context.events.emit("submitted", { job: id, fence, externalId });
  return awaitBegin(context, database, job, started, commandLine);
}

/** The start begins in the same turn of the loop as the look at the lease. */
function startUnderLease(context: HandlerContext, runner: Runner, run: PreparedRun): Promise<StartedRun> {
  return context.lease.held()
    ? runner.start(run)
    : context.lease.whenHeld().then(() => startUnderLease(context, runner, run));
}

function markRunning(
  context: HandlerContext,
  { id, fence, toolId }: JobRow,
  { externalId, ended }: StartedRun,
  commandLine: string,
): RunUnderWay {
  const write = () => context.states.running({ id, fence, externalId, commandLine });
  const marked = atStep(context.fault, "mark-running", write, toolId).then((mine) => {
    if (mine) context.events.emit("started", { job: id, fence, externalId });
    return mine;
  });
  return { ended, marked };
}
