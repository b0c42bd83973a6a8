import { Loop } from "@galaxy-jobs/runtime";
import type { PreparedRun } from "../runner.ts";
import type { CommandShell } from "../shell/command-shell.ts";
import { RunWatch, type Patience } from "./run-watch.ts";
import { SlurmCommands, SlurmUnansweredError, type SlurmJob } from "./slurm-commands.ts";
import { phaseOf } from "./slurm-states.ts";
import { jobComment, jobName } from "./submission.ts";
import { Submitter } from "./submitter.ts";

/** Running jobs whose records are looked at in one tick, in turn: for those that a controller shows as running for ever. */
const recordsInOneTick = 20;
/** Ends that are judged at a time: each reads some files. */
const endsAtOnce = 16;
/** A question may take up so much of the time, so that a slow controller is not asked all the time. */
const shareOfTime = 0.2;
/** Requests to cancel that come within so long go together, ms. */
const cancelGathering = 20;
/** Slurm may take so long to end a job (KillWait, and an epilog), ms. */
const cancelDeadline = 180_000;
/** Between two requests to cancel, where Slurm does not answer or the job lives on, ms. */
const cancelInterval = 15_000;

export interface SlurmClusterOptions {
  readonly shell: CommandShell;
  /** Its name, where a site has several. */
  readonly name: string | undefined;
  /** Between two looks at all jobs, ms. */
  readonly interval: number;
  /** Submissions at a time. */
  readonly workers: number;
  readonly patience: Patience;
  readonly onTrouble: (error: unknown) => void;
}

/**
 * One Slurm, and all runs of this process on it: one question a tick for all of them together. What cannot be asked is waited
 * for: no answer never means that a job is gone.
 */
export class SlurmCluster {
  readonly commands: SlurmCommands;
  readonly #options: SlurmClusterOptions;
  readonly #watches = new Map<string, RunWatch>();
  readonly #loop: Loop;
  readonly #closing = new AbortController();
  readonly #submitter: Submitter;
  /** Jobs that somebody waits for the end of. */
  readonly #awaited = new Map<string, Set<() => void>>();
  #cancels = new Set<string>();
  #cancelTimer: NodeJS.Timeout | undefined;
  #turn = 0;
  #silentSince: number | undefined;

  constructor(options: SlurmClusterOptions) {
    this.#options = options;
    this.commands = new SlurmCommands(options.shell, options.name);
    this.#submitter = new Submitter(this.commands, options.workers, this.#closing.signal);
    this.#loop = new Loop({
      name: "slurm",
      work: () => this.#round(),
      onError: (error) => this.#onSilence(error),
      errorDelay: Math.max(options.interval, 1_000),
    });
    void this.#loop.start();
  }

  /**
   * Follows a run from its submission.
   * @throws Error when it is followed already
   */
  submit(run: PreparedRun): RunWatch {
    if (this.#watches.has(run.directory)) throw new Error(`the run of job ${run.jobId} was started before`);
    return this.#follow(run, (watch) => this.#submitter.submit(watch));
  }

  /**
   * Follows a run that an earlier process submitted, or died while it did.
   * @param jobId undefined when nobody has noted it: it is looked for before it is submitted again
   */
  adopt(run: PreparedRun, jobId: string | undefined): RunWatch {
    return this.#follow(run, async (watch) => {
      if (jobId === undefined) await this.#submitter.findOrSubmit(watch);
      else await watch.submitted(jobId);
    });
  }

  watchOf(run: PreparedRun): RunWatch | undefined {
    return this.#watches.get(run.directory);
  }

  /** Whether the last question was answered, or none was asked yet. */
  get answers(): boolean {
    return this.#silentSince === undefined;
  }

  /**
   * Cancels a job of Slurm and waits until none of its processes is left.
   * @throws Error when it has not ended after three minutes
   */
  async cancel(jobId: string): Promise<void> {
    const began = performance.now();
    for (let asked = Number.NEGATIVE_INFINITY; ;) {
      const now = performance.now();
      if (now - began > cancelDeadline)
        throw new Error(`Slurm has not ended its job ${jobId} in ${cancelDeadline / 1000} s`);
      if (now - asked >= cancelInterval) {
        this.#cancelSoon(jobId);
        asked = now;
      }
      if (await this.#endsWithin(jobId, cancelInterval)) return;
      if (this.#closing.signal.aborted)
        throw new Error(`job ${jobId} of Slurm was not waited for: the handler stops`);
    }
  }

  /** Takes a job that nobody has noted, and that can no longer begin, out of the queue if it is there and Slurm answers. */
  async cancelUnnoted(run: PreparedRun): Promise<void> {
    try {
      const job = await this.commands.find(jobName(run), jobComment(run));
      if (job !== undefined) await this.commands.cancel([job.id]);
    } catch (error) {
      if (!(error instanceof SlurmUnansweredError)) throw error;
      this.#options.onTrouble(error);
    }
  }

  /** Waits for nothing any more; the watching goes on. */
  leave(): void {
    this.#closing.abort();
    for (const waiters of this.#awaited.values()) for (const done of waiters) done();
  }

  async close(): Promise<void> {
    this.leave();
    clearTimeout(this.#cancelTimer);
    await this.#loop.stop();
    await this.#options.shell.close();
  }

  #follow(run: PreparedRun, begin: (watch: RunWatch) => Promise<void>): RunWatch {
    const watch = new RunWatch(run, this.#options.patience);
    this.#watches.set(run.directory, watch);
    void watch.ended.then(() => this.#watches.delete(run.directory));
    this.#begin(watch, begin(watch));
    return watch;
  }

  async #round(): Promise<number> {
    const watches = [...this.#watches.values()].filter(({ jobId }) => jobId !== undefined);
    // A job that is awaited from now on was perhaps not there yet when the question was put.
    const awaited = [...this.#awaited.keys()];
    if (watches.length === 0 && awaited.length === 0) return Number.POSITIVE_INFINITY;
    const began = performance.now();
    const jobs = await this.commands.queue();
    const took = performance.now() - began;
    this.#silentSince = undefined;
    this.#submitter.answered();
    await this.#lookAt(watches, jobs);
    for (const id of awaited) {
      const job = jobs.get(id);
      if (job === undefined || phaseOf(job.state) === "ended")
        this.#awaited.get(id)?.forEach((done) => done());
    }
    return Math.max(this.#options.interval, took / shareOfTime);
  }

  async #lookAt(watches: readonly RunWatch[], jobs: ReadonlyMap<string, SlurmJob>): Promise<void> {
    const known = (watch: RunWatch) => jobs.get(watch.jobId!);
    const ended = watches.filter((watch) => {
      const job = known(watch);
      return job === undefined || phaseOf(job.state) === "ended";
    });
    for (const watch of watches) {
      const job = known(watch);
      if (job !== undefined && phaseOf(job.state) !== "ended")
        await this.#watchOver(() => watch.see(job, () => this.commands.restarts(job.id)));
    }
    // The accounting says of a cancelled job by whom, and of one that the controller has forgotten everything.
    const unclear = ended.filter((watch) => (known(watch)?.state ?? "CANCELLED") === "CANCELLED");
    const accounts = await this.#account(unclear.map(({ jobId }) => jobId!));
    await inTurns(ended, endsAtOnce, (watch) =>
      this.#watchOver(() => this.#seeEnd(watch, known(watch), accounts)),
    );
    const running = watches.filter(({ hasBegun, isOver }) => hasBegun && !isOver);
    this.#turn = this.#turn >= running.length ? 0 : this.#turn;
    const due = running.slice(this.#turn, this.#turn + recordsInOneTick);
    this.#turn += due.length;
    for (const watch of due) {
      const job = known(watch);
      if (job === undefined || phaseOf(job.state) !== "running") continue;
      await this.#watchOver(() => watch.seeGhost(job, () => this.commands.restarts(job.id)));
    }
  }

  /** A file system that does not answer is no verdict on a job; the next tick looks again. */
  async #watchOver(look: () => Promise<unknown>): Promise<void> {
    try {
      await look();
    } catch (error) {
      this.#options.onTrouble(error);
    }
  }

  /** @returns `silent` when the accounting does not answer */
  async #account(ids: readonly string[]): Promise<ReadonlyMap<string, SlurmJob> | "silent"> {
    if (ids.length === 0) return new Map();
    try {
      return (await this.commands.accounting(ids)) ?? new Map();
    } catch (error) {
      if (!(error instanceof SlurmUnansweredError)) throw error;
      this.#options.onTrouble(error);
      return "silent";
    }
  }

  async #seeEnd(
    watch: RunWatch,
    job: SlurmJob | undefined,
    accounts: ReadonlyMap<string, SlurmJob> | "silent",
  ): Promise<void> {
    const account = accounts === "silent" ? undefined : accounts.get(watch.jobId!);
    const last = account !== undefined && phaseOf(account.state) === "ended" ? account : job;
    const look =
      last === undefined
        ? await watch.seeNothing(accounts !== "silent")
        : await watch.see(last, () => this.commands.restarts(last.id));
    if (look === "submit") this.#submitAgain(watch);
  }

  #submitAgain(watch: RunWatch): void {
    watch.waits("Slurm has lost its job; it is submitted again");
    this.#begin(watch, this.#submitter.findOrSubmit(watch));
  }

  #begin(watch: RunWatch, submission: Promise<void>): void {
    submission.then(
      () => this.#loop.wake(),
      (error: unknown) => watch.fail(messageOf(error)),
    );
  }

  #onSilence(error: unknown): void {
    if (this.#silentSince === undefined) this.#options.onTrouble(error);
    this.#silentSince ??= performance.now();
    const reason = messageOf(error);
    for (const watch of this.#watches.values())
      if (watch.jobId !== undefined) watch.waits(`Slurm does not answer: ${reason}`);
  }

  #cancelSoon(jobId: string): void {
    this.#cancels.add(jobId);
    this.#cancelTimer ??= setTimeout(() => {
      const ids = [...this.#cancels];
      this.#cancels = new Set();
      this.#cancelTimer = undefined;
      this.commands.cancel(ids).then(
        () => this.#loop.wake(),
        (error: unknown) => this.#options.onTrouble(error),
      );
    }, cancelGathering);
  }

  /** @param within ms */
  async #endsWithin(jobId: string, within: number): Promise<boolean> {
    if (this.#closing.signal.aborted) return false;
    const waiters = this.#awaited.get(jobId) ?? new Set();
    this.#awaited.set(jobId, waiters);
    let timer: NodeJS.Timeout | undefined;
    let done: (() => void) | undefined;
    try {
      return await new Promise<boolean>((resolve) => {
        done = () => resolve(!this.#closing.signal.aborted);
        waiters.add(done);
        timer = setTimeout(() => resolve(false), within);
        this.#loop.wake();
      });
    } finally {
      clearTimeout(timer);
      waiters.delete(done!);
      if (waiters.size === 0) this.#awaited.delete(jobId);
    }
  }
}

async function inTurns<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length; at += width) await Promise.all(items.slice(at, at + width).map(work));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
