import { markJobRunningIfQueued, type Database, type JobRow } from "@galaxy-jobs/shared-db";
import type { HandlerContext } from "../handler-context.ts";
import type { RunEnd } from "../runners/runner.ts";
import type { Preparation } from "./prepare.ts";
import { runnerOf } from "./runner-of.ts";

/**
 * Starts a prepared run and writes that it runs. When the row says meanwhile that the job was deleted, or is somebody else's,
 * the run is ended again: a deletion that races with the start wins.
 * @returns the run's end, or undefined when it was ended
 */
export async function run(
  context: HandlerContext,
  database: Database,
  job: JobRow,
  { run: prepared, commandLine }: Preparation,
): Promise<{ readonly ended: Promise<RunEnd> } | undefined> {
  const runner = runnerOf(context, prepared.destination.runner);
  const { externalId, ended } = await runner.start(prepared);
  const mine = await context.untilWritten("run", job.id, () =>
    markJobRunningIfQueued(database, { id: job.id, fence: job.fence, externalId, commandLine }),
  );
  if (mine) {
    context.events.emit("started", { job: job.id, fence: job.fence, externalId });
    return { ended };
  }
  context.events.emit("let_go", { job: job.id, fence: job.fence, at: "run" });
  await runner.stop(prepared);
  return undefined;
}
