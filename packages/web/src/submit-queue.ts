import type { Logger, Service } from "@galaxy-jobs/runtime";
import {
  channels,
  errorCode,
  insertJobs,
  isConnectionError,
  openLine,
  type Database,
  type InsertedJob,
  type NewJob,
} from "@galaxy-jobs/shared-db";
import { Hints } from "./hints.ts";

/** Jobs that share a transaction at most. */
const together = 50;

interface Waiting {
  readonly job: NewJob;
  readonly written: (written: InsertedJob) => void;
  readonly refused: (error: unknown) => void;
}

/**
 * New jobs on their way into the database, and the hints for who may claim them. A job that comes alone is written at once; those
 * that come while a transaction is under way share the next one, and so its commit and, where they go to one history, the wait for
 * its row. What is wrong with one of them is told to that one only: a transaction that the server refused is repeated job by job.
 *
 * All goes over one connection, so that a hint can be sent behind its job without waiting for an answer: the server takes it up
 * when the job is committed.
 */
export class SubmitQueue implements Service {
  readonly name = "submit-queue";
  readonly #line: Database;
  readonly #hints: Hints;
  readonly #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  constructor(database: Database, logger: Logger) {
    this.#line = openLine(database);
    this.#hints = new Hints(this.#line, logger);
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  /** What has come until then is written. */
  async stop(): Promise<void> {
    await this.#writing;
    await this.#line.end({ timeout: 5 });
  }

  /** @returns when the job is committed. @throws the database's error; after a lost connection nobody knows whether it is there */
  add(job: NewJob): Promise<InsertedJob> {
    return new Promise((written, refused) => {
      this.#waiting.push({ job, written, refused });
      this.#writing ??= this.#write();
    });
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0)
      await this.#writeTogether(inLockOrder(this.#waiting.splice(0, together)));
    // In this very turn: whoever comes later begins anew.
    this.#writing = undefined;
  }

  async #writeTogether(those: readonly Waiting[]): Promise<void> {
    const jobs = those.map(({ job }) => job);
    const hint = ({ handler }: NewJob) => {
      if (handler !== null) this.#hints.send(channels.newJobs, handler);
    };
    try {
      const writing = insertJobs(this.#line, jobs);
      // Of the others nobody knows yet whether they wait for their inputs.
      for (const job of jobs) if (job.inputs.length === 0) hint(job);
      for (const [index, one] of (await writing).entries()) {
        const { job, written } = those[index]!;
        if (job.inputs.length > 0 && one.job.state === "new") hint(job);
        written(one);
      }
    } catch (error) {
      const rolledBack = errorCode(error) !== undefined && !isConnectionError(error);
      if (those.length > 1 && rolledBack) for (const one of those) await this.#writeTogether([one]);
      else for (const { refused } of those) refused(error);
    }
  }
}

/** Two processes that write several jobs at once take their locks (of users, of histories) in one order. */
function inLockOrder(those: readonly Waiting[]): readonly Waiting[] {
  return those.toSorted(
    ({ job: a }, { job: b }) => (a.userId ?? 0) - (b.userId ?? 0) || a.historyId - b.historyId,
  );
}
