import {
  errorCode,
  findDataset,
  findJob,
  insertJob,
  isConnectionError,
  type Database,
  type HistoryDatasetRow,
  type InsertedJob,
  type JobRow,
  type NewJob,
  type Sql,
} from "@galaxy-jobs/shared-db";

/** Jobs that share a transaction at most. */
const together = 50;

/** A job as it was committed, with its outputs in the order of the tool. */
export interface WrittenJob {
  readonly state: InsertedJob["state"];
  readonly job: JobRow;
  readonly outputs: readonly { readonly name: string; readonly dataset: HistoryDatasetRow }[];
}

interface Waiting {
  readonly job: NewJob;
  readonly written: (written: WrittenJob) => void;
  readonly refused: (error: unknown) => void;
}

/**
 * New jobs on their way into the database. A job that comes alone is written at once; those that come while a transaction is
 * under way share the next one, and so its commit and, where they go to one history, the wait for its row. What is wrong with
 * one of them is told to that one only: a transaction that the server refused is repeated job by job.
 */
export class SubmitQueue {
  readonly #database: Database;
  readonly #waiting: Waiting[] = [];
  #writing = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @returns when the job is committed. @throws the database's error; after a lost connection nobody knows whether it is there */
  add(job: NewJob): Promise<WrittenJob> {
    return new Promise((written, refused) => {
      this.#waiting.push({ job, written, refused });
      if (!this.#writing) void this.#write();
    });
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) await this.#writeTogether(this.#waiting.splice(0, together));
    this.#writing = false;
  }

  async #writeTogether(those: readonly Waiting[]): Promise<void> {
    try {
      const all = await this.#database.begin((sql) => insertAll(sql, inLockOrder(those)));
      for (const [{ written }, job] of all) written(job);
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

async function insertAll(sql: Sql, those: readonly Waiting[]): Promise<[Waiting, WrittenJob][]> {
  const inserted: InsertedJob[] = [];
  for (const { job } of those) inserted.push(await insertJob(sql, job));
  return Promise.all(those.map(async (one, index) => [one, await readWritten(sql, inserted[index]!)]));
}

async function readWritten(sql: Sql, { id, state, outputs }: InsertedJob): Promise<WrittenJob> {
  const [job, ...datasets] = await Promise.all([
    findJob(sql, id),
    ...outputs.map((output) => findDataset(sql, output.id)),
  ]);
  return {
    state,
    job: job!,
    outputs: outputs.map(({ name }, index) => ({ name, dataset: datasets[index]! })),
  };
}
