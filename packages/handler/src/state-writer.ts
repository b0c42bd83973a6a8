import {
  finishJobsIfOwned,
  isConnectionError,
  markJobsRunningIfQueued,
  type Database,
  type FinishedJob,
  type JobOwnership,
} from "@galaxy-jobs/shared-db";
import { atStep } from "./fault-points.ts";
import type { HandlerContext } from "./handler-context.ts";

/** Jobs whose changes go into one transaction at most. */
const mostAtOnce = 1000;
/** A start is written so late, ms: together with the end, if that comes so soon. */
const startDelay = 10;

/** That a run has begun. */
export interface RunningJob extends JobOwnership {
  readonly externalId: string;
  readonly commandLine: string;
}

/** What is to be written of one job. */
interface Change {
  readonly job: JobOwnership;
  readonly running: RunningJob | undefined;
  /** When it began, by `performance.now()`. */
  readonly begunAt: number;
  end: FinishedJob | undefined;
  /** Whether the job was this handler's. */
  readonly written: Promise<boolean>;
  readonly resolve: (mine: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes the starts and ends of all jobs of a handler, many in one guarded statement, each with its own answer. What comes while
 * one transaction is under way goes into the next, so the busier the handler, the larger they are; there is one at a time, so the
 * changes of one job keep their order. A start waits a moment, and a job that has ended before it was written gets both changes in
 * one: nothing is lost with a handler that dies before, since the row says `queued`, with the fence that names the run, from before the run was
 * started, and whoever adopts the job asks the runner.
 *
 * A database that is away is waited for. What it refuses for another reason is tried job by job, so that one job's fault is not
 * the others'.
 */
export class StateWriter {
  readonly #context: Pick<HandlerContext, "fault" | "untilWritten">;
  readonly #database: Database;
  readonly #changes = new Set<Change>();
  /** Those of them whose start is all there is to write yet, by job. */
  readonly #starts = new Map<number, Change>();
  #busy = false;
  #isDue = false;

  constructor(context: Pick<HandlerContext, "fault" | "untilWritten">, database: Database) {
    this.#context = context;
    this.#database = database;
  }

  /** Queued → running. @returns false when the job is no longer this owner's, or was deleted meanwhile */
  running(running: RunningJob): Promise<boolean> {
    const change = this.#add(running, running, undefined);
    this.#starts.set(running.id, change);
    return change.written;
  }

  /** Writes the end of a job. @returns false when the job is no longer this owner's or is in a state that cannot end so */
  end(end: FinishedJob): Promise<boolean> {
    const start = this.#starts.get(end.id);
    if (start === undefined || start.job.fence !== end.fence) return this.#add(end, undefined, end).written;
    this.#starts.delete(end.id);
    start.end = end;
    this.#begin();
    return start.written;
  }

  #add(job: JobOwnership, running: RunningJob | undefined, end: FinishedJob | undefined): Change {
    let resolve: Change["resolve"];
    let reject: Change["reject"];
    const written = new Promise<boolean>((onWritten, onError) => {
      resolve = onWritten;
      reject = onError;
    });
    const change = {
      job,
      running,
      begunAt: performance.now(),
      end,
      written,
      resolve: resolve!,
      reject: reject!,
    };
    this.#changes.add(change);
    if (end === undefined) this.#beginLater();
    else this.#begin();
    return change;
  }

  #begin(): void {
    if (this.#busy) return;
    this.#busy = true;
    setImmediate(() => void this.#work());
  }

  #beginLater(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      this.#begin();
    }, startDelay);
  }

  async #work(): Promise<void> {
    for (let batch = this.#next(); batch.length > 0; batch = this.#next()) await this.#writeAll(batch);
    this.#busy = false;
    if (this.#changes.size > 0) this.#beginLater();
  }

  /** Ends, and starts that have waited. */
  #next(): Change[] {
    const batch: Change[] = [];
    // Timers may come a millisecond early.
    const old = performance.now() - startDelay + 1;
    for (const change of this.#changes) {
      if (change.end === undefined && change.begunAt > old) continue;
      this.#changes.delete(change);
      if (this.#starts.get(change.job.id) === change) this.#starts.delete(change.job.id);
      if (batch.push(change) >= mostAtOnce) break;
    }
    return batch;
  }

  async #writeAll(batch: readonly Change[]): Promise<void> {
    try {
      const mine = await this.#write(batch);
      for (const change of batch) change.resolve(mine.has(change));
    } catch (error) {
      if (batch.length === 1 || isConnectionError(error)) for (const change of batch) change.reject(error);
      else for (const change of batch) await this.#writeAll([change]);
    }
  }

  async #write(batch: readonly Change[]): Promise<Set<Change>> {
    const { fault, untilWritten } = this.#context;
    const starts = batch.filter(({ end }) => end === undefined);
    const ends = batch.filter(({ end }) => end !== undefined);
    return untilWritten("write", batch[0]!.job.id, () =>
      atStep(fault, "write", async () => {
        const [running, ended] = await Promise.all([
          markJobsRunningIfQueued(this.#database, starts.map(startOf)),
          finishJobsIfOwned(
            this.#database,
            ends.map(({ end }) => end!),
            new Map(
              ends.flatMap((change) =>
                change.running === undefined ? [] : [[change.job.id, startOf(change)]],
              ),
            ),
          ),
        ]);
        return new Set([
          ...starts.filter(({ job }) => running.has(job.id)),
          ...ends.filter(({ job }) => ended.has(job.id)),
        ]);
      }),
    );
  }
}

function startOf({ running, begunAt }: Change): RunningJob & { readonly secondsAgo: number } {
  const { id, fence, externalId, commandLine } = running!;
  return { id, fence, externalId, commandLine, secondsAgo: (performance.now() - begunAt) / 1000 };
}
