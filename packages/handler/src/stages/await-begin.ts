import {
  explainWaitIfQueued,
  markJobRunningIfQueued,
  type Database,
  type JobRow,
  type JobOwnership,
} from "@galaxy-jobs/shared-db";
import type { HandlerContext } from "../handler-context.ts";
import type { RunEnd, RunQueue, StartedRun } from "../runners/runner.ts";

/** A run that was given to its runner. */
export interface RunUnderWay {
  readonly ended: Promise<RunEnd>;
  /** Absent: it has begun. Else resolves when it has; never when it ends before. */
  readonly begun?: Promise<unknown>;
}

/**
 * Follows a run that waits in a cluster's queue: writes why it waits, and `running` once it has begun. A job that was deleted or
 * taken over meanwhile is not written to; its end tells.
 * @param commandLine undefined: as the row has it
 */
export function awaitBegin(
  context: HandlerContext,
  database: Database,
  job: JobRow,
  started: StartedRun,
  commandLine = job.commandLine ?? "",
): RunUnderWay {
  if (started.queue === undefined || job.state === "running") return { ended: started.ended };
  const ended = follow(context, database, job, started, started.queue, commandLine);
  // Whoever awaits it sees its error; until then it must not end the process.
  ended.catch(() => undefined);
  return { ended, begun: started.queue.begun };
}

async function follow(
  context: HandlerContext,
  database: Database,
  job: JobRow,
  { ended }: StartedRun,
  queue: RunQueue,
  commandLine: string,
): Promise<RunEnd> {
  const { id, fence } = job;
  const reasons = reasonsOf(context, database);
  queue.follow(({ externalId, reason }) => reasons.note({ id, fence, externalId, reason }));
  const begun = await Promise.race([queue.begun, ended.then(() => undefined)]);
  reasons.forget(id);
  if (begun === undefined) return ended;
  const mine = await context.untilWritten("begin", id, () =>
    markJobRunningIfQueued(database, { id, fence, externalId: begun, commandLine }),
  );
  if (mine) context.events.emit("started", { job: id, fence, externalId: begun });
  return ended;
}

type Wait = JobOwnership & { readonly externalId: string; readonly reason: string };

/** News of one moment are written together, ms. */
const gathering = 50;
/** Of a handler. */
const waits = new WeakMap<HandlerContext, WaitReasons>();

function reasonsOf(context: HandlerContext, database: Database): WaitReasons {
  let reasons = waits.get(context);
  if (reasons === undefined) waits.set(context, (reasons = new WaitReasons(context, database)));
  return reasons;
}

/** Thousands of jobs wait in a queue and are looked at together, so what changed is written in one statement. */
class WaitReasons {
  readonly #context: HandlerContext;
  readonly #database: Database;
  /** Undefined: it has begun meanwhile. */
  #news = new Map<number, Wait | undefined>();

  constructor(context: HandlerContext, database: Database) {
    this.#context = context;
    this.#database = database;
  }

  note(wait: Wait): void {
    if (this.#news.size === 0) setTimeout(() => void this.#write(), gathering);
    this.#news.set(wait.id, wait);
  }

  forget(id: number): void {
    if (this.#news.has(id)) this.#news.set(id, undefined);
  }

  async #write(): Promise<void> {
    const news = [...this.#news.values()].filter((wait) => wait !== undefined);
    this.#news = new Map();
    try {
      await explainWaitIfQueued(this.#database, news);
    } catch (error) {
      // Only an explanation: the next change brings another.
      this.#context.events.emit("trouble", { at: "wait-reason", error });
    }
  }
}
