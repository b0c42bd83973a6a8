import type { JobRow } from "@galaxy-jobs/shared-db";
import type { PreparedRun } from "./runners/runner.ts";

/** A job that this handler owns, with the pipeline that it is in. */
export interface JobInHand {
  readonly job: JobRow;
  run: PreparedRun | undefined;
  /** Ends the wait for the end of its run. */
  leave: ((outcome: "left") => void) | undefined;
  readonly done: Promise<void>;
}

/** The jobs that a handler owns, each for as long as its pipeline lasts. One job's trouble touches no other. */
export class JobsInHand {
  readonly #jobs = new Map<number, JobInHand>();
  readonly #onTrouble: (hand: JobInHand, error: unknown) => Promise<void>;
  readonly #onLeft: (job: JobRow) => void;

  /**
   * @param options.onTrouble told what a pipeline threw
   * @param options.onLeft told when a job's pipeline is over
   */
  constructor(options: {
    readonly onTrouble: (hand: JobInHand, error: unknown) => Promise<void>;
    readonly onLeft: (job: JobRow) => void;
  }) {
    this.#onTrouble = options.onTrouble;
    this.#onLeft = options.onLeft;
  }

  get size(): number {
    return this.#jobs.size;
  }

  /** Whether one of them may have killed a handler before, and has not been started since. */
  get hasSuspect(): boolean {
    for (const { job, run } of this.#jobs.values())
      if (job.handlerDeaths > 0 && run === undefined) return true;
    return false;
  }

  get(jobId: number): JobInHand | undefined {
    return this.#jobs.get(jobId);
  }

  take(job: JobRow, pipeline: (hand: JobInHand) => Promise<void>): void {
    // A job that this handler has put back, and takes again under a later fence, may still have the last steps of its
    // earlier pipeline to go.
    const before = this.#jobs.get(job.id);
    const hand: { -readonly [Key in keyof JobInHand]: JobInHand[Key] } = {
      job,
      run: undefined,
      leave: before === undefined ? undefined : (outcome) => before.leave?.(outcome),
      done: Promise.resolve(),
    };
    this.#jobs.set(job.id, hand);
    hand.done = this.#go(hand, before?.done, pipeline);
  }

  /** One frame for all of it: ten thousand of them wait at a time. */
  async #go(
    hand: JobInHand,
    before: Promise<void> | undefined,
    pipeline: (hand: JobInHand) => Promise<void>,
  ): Promise<void> {
    try {
      await before;
      await pipeline(hand);
    } catch (error) {
      await this.#onTrouble(hand, error);
    } finally {
      if (this.#jobs.get(hand.job.id) === hand) this.#jobs.delete(hand.job.id);
      this.#onLeft(hand.job);
    }
  }

  /** The runs are left alone: nobody waits for their ends any more. */
  leaveRuns(): void {
    for (const { leave } of this.#jobs.values()) leave?.("left");
  }

  /** Resolves when the pipelines that are under way now are over. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#jobs.values()].map(({ done }) => done));
  }
}
