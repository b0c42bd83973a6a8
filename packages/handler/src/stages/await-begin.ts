import type { Database, JobRow } from "@galaxy-jobs/shared-db";
import type { HandlerContext } from "../handler-context.ts";
import { reasonsOf } from "../queue-reasons.ts";
import type { RunEnd, RunQueue, StartedRun } from "../runners/runner.ts";

/** A run that was given to its runner. */
export interface RunUnderWay {
  readonly ended: Promise<RunEnd>;
  /** Absent: it has begun. Else resolves when it has; never when it ends before. */
  readonly begun?: Promise<unknown>;
  /** Resolves when its start is written, to false when that was refused. Absent: it is. */
  readonly marked?: Promise<boolean>;
}

/**
 * Follows a run that waits in a cluster's queue: writes why it waits, and `running` once it has begun. Some clusters put a run
 * that has begun back into their queue; then it waits again. A job that was deleted or taken over meanwhile is not written to;
 * its end tells.
 * @param commandLine undefined: as the row has it
 */
export function awaitBegin(
  context: HandlerContext,
  database: Database,
  job: JobRow,
  started: StartedRun,
  commandLine = job.commandLine ?? "",
): RunUnderWay {
  if (started.queue === undefined) return { ended: started.ended };
  const { id, fence } = job;
  const reasons = reasonsOf(context, database);
  started.queue.follow(({ externalId, reason }) => reasons.note({ id, fence, externalId, reason }));
  if (job.state === "running") return { ended: started.ended };
  const ended = follow(context, job, started, started.queue, commandLine);
  // Whoever awaits it sees its error; until then it must not end the process.
  ended.catch(() => undefined);
  return { ended, begun: started.queue.begun };
}

async function follow(
  context: HandlerContext,
  job: JobRow,
  { ended }: StartedRun,
  queue: RunQueue,
  commandLine: string,
): Promise<RunEnd> {
  const { id, fence } = job;
  const begun = await Promise.race([queue.begun, ended.then(() => undefined)]);
  if (begun === undefined) return ended;
  const mine = await context.states.running({ id, fence, externalId: begun, commandLine });
  if (mine) context.events.emit("started", { job: id, fence, externalId: begun });
  return ended;
}
