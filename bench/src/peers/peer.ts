import type { BenchDatabase } from "../database.ts";

/** Another job system on PostgreSQL, at its fastest durable settings; its jobs do nothing. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  /** Makes its schema and a queue in an empty database. */
  install(url: string): Promise<void>;
  /** Puts jobs into its queue, in bulk. */
  fill(database: BenchDatabase, jobs: number): Promise<void>;
  /** Whether a job waits or runs still. */
  isBusy(database: BenchDatabase): Promise<boolean>;
  /**
   * The tables that its claims and completions write to: where dead rows gather.
   * @returns makes and deletes so many jobs that nobody ever sees
   */
  makeDeadRows(database: BenchDatabase, rows: number): Promise<void>;
  /** As an application adds one job. */
  adder(url: string): Promise<Adder>;
  /**
   * Works in this process until stopped.
   * @param onJob called when a job's handler is
   * @param many settings for a full queue; otherwise those for an idle one
   */
  work(url: string, onJob: () => void, many: boolean): Promise<() => Promise<void>>;
}

export interface Adder {
  add(): Promise<void>;
  close(): Promise<void>;
}

/** The one kind of job. */
export const queue = "noop";
