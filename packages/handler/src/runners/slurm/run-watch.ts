import type { PreparedRun, RunEnd, RunQueue, StartedRun } from "../runner.ts";
import { judgeEnd, judgeForgotten, notReturnedEnd } from "./judge-end.ts";
import {
  begunBy,
  isAlive,
  noteJobId,
  recordedEnd,
  scriptEnd,
  setAsideEnd,
  wasCancelled,
} from "./run-record.ts";
import type { SlurmJob } from "./slurm-commands.ts";
import { baseState, pendingReason, phaseOf } from "./slurm-states.ts";

/** A record may come so late after Slurm's word, since a shared file system shows it late, ms. */
const recordGrace = 15_000;
/** A run with a record that Slurm still shows as running after so long is over, ms. */
const ghostGrace = 30_000;
/** A job that Slurm does not know is given up after so long, ms. */
const forgottenGrace = 30_000;
/** The processes of a failed node, or of a job that Slurm has forgotten, are waited for so long, ms. */
const survivorGrace = 600_000;
/** A job that its Slurm has lost is submitted again so often. */
const mostSubmissions = 3;

/** States in which Slurm itself has ended the processes. */
const endedBySlurm = new Set(["TIMEOUT", "OUT_OF_MEMORY", "CANCELLED", "PREEMPTED", "DEADLINE", "BOOT_FAIL"]);

/** How often Slurm has started a job again; undefined: no answer. */
export type Restarts = () => Promise<number | undefined>;

/** What a look at a run came to. `submit`: Slurm has lost it before it began. */
export type Look = "goes-on" | "ended" | "submit";

export interface Patience {
  readonly record: number;
  readonly ghost: number;
  readonly forgotten: number;
  readonly survivor: number;
}

export const usualPatience: Patience = {
  record: recordGrace,
  ghost: ghostGrace,
  forgotten: forgottenGrace,
  survivor: survivorGrace,
};

/** One run, from its submission to its end, by what Slurm says and what its directory says. It asks nobody itself. */
export class RunWatch {
  readonly run: PreparedRun;
  jobId: string | undefined;
  /** By this process: a Slurm that does not know a job that it took from here has lost it. */
  submissions = 0;
  /** Its deletion was asked for: a job that Slurm gets later must not stay there. */
  isCancelled = false;
  readonly #patience: Patience;
  #reason = "";
  #told = "";
  #listener: Parameters<RunQueue["follow"]>[0] | undefined;
  #hasBegun = false;
  /** Whether what its last start left, before Slurm put it back into the queue, has been set aside. */
  #isSetAside = false;
  #isOver = false;
  #isGone = false;
  readonly #since = new Map<"record" | "ghost" | "forgotten" | "survivor", number>();
  readonly #submission = deferred<void>();
  readonly #begun = deferred<string>();
  readonly #ended = deferred<RunEnd>();

  constructor(run: PreparedRun, patience: Patience) {
    this.run = run;
    this.#patience = patience;
  }

  get ended(): Promise<RunEnd> {
    return this.#ended.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Slurm itself said that its job has ended. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Resolves when its Slurm job is known. */
  get submission(): Promise<void> {
    return this.#submission.promise;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** As its conductor sees it. */
  get started(): StartedRun {
    const queue: RunQueue = {
      begun: this.#begun.promise,
      follow: (listener) => {
        this.#listener = listener;
        this.#tell();
      },
    };
    return { externalId: this.jobId ?? "", ended: this.ended, queue };
  }

  async submitted(jobId: string): Promise<void> {
    this.jobId = jobId;
    this.#since.clear();
    await noteJobId(this.run, jobId);
    this.#submission.resolve();
    this.#tell();
  }

  /** Why it does not run yet, in words for the user. */
  waits(reason: string): void {
    if (!this.#hasBegun) this.#say(reason);
  }

  /** Looks at what the controller, or the accounting, says of its job. */
  async see(job: SlurmJob, restarts: Restarts): Promise<Look> {
    this.#since.delete("forgotten");
    switch (phaseOf(job.state)) {
      case "waiting":
        await this.#seeWaiting(job, restarts);
        return "goes-on";
      case "running":
        this.#isSetAside = false;
        this.#begin();
        this.#say("");
        return "goes-on";
      case "ended":
        return this.#seeEnd(job);
    }
  }

  /**
   * A run that Slurm shows as running although its script has long ended: a controller that lost its latest state does that.
   */
  async seeGhost({ state }: SlurmJob, restarts: Restarts): Promise<Look> {
    const end = await scriptEnd(this.run);
    // Slurm will say why it ended the job when it has cleaned up after it.
    if (end?.terminated === true && baseState(state) === "COMPLETING") return "goes-on";
    if (end === undefined) this.#since.delete("ghost");
    if (end === undefined || !this.#isOverdue("ghost")) return "goes-on";
    this.#since.delete("ghost");
    // Else its next start has not come as far as its batch script.
    const isLast = end.restart >= ((await restarts()) ?? Number.POSITIVE_INFINITY);
    return isLast ? this.#end((await judgeForgotten(this.run))!) : "goes-on";
  }

  /**
   * The controller does not know its job.
   * @param certain nor does the accounting, where there is one; false: that did not answer
   */
  async seeNothing(certain: boolean): Promise<Look> {
    // Only Slurm can say why it ended the job itself.
    if (!certain && (await scriptEnd(this.run))?.terminated === true) return "goes-on";
    const end = await judgeForgotten(this.run);
    if (end !== undefined) {
      this.#begin();
      return this.#end(end);
    }
    if (!certain) return "goes-on";
    if (await isAlive(this.run)) {
      this.#begin();
      if (!this.#isOverdue("survivor")) return "goes-on";
    }
    if (!this.#isOverdue("forgotten")) return "goes-on";
    const owner = await begunBy(this.run);
    if (owner !== undefined && owner !== this.jobId) return this.#follow(owner);
    if (owner !== undefined) {
      const what = `Slurm no longer knows its job ${this.jobId}, which began and left no exit status.`;
      return this.#end(notReturnedEnd(what));
    }
    if (await wasCancelled(this.run)) return this.#end(cancelledEnd);
    if (this.submissions > 0 && this.submissions < mostSubmissions) {
      this.jobId = undefined;
      return "submit";
    }
    const failure = `Slurm no longer knows its job ${this.jobId}, which had not begun.`;
    return this.#end({ exitCode: null, failure, state: "unknown_error" });
  }

  /** It never came to a job of Slurm, or must not. */
  fail(failure: string): void {
    this.#end({ exitCode: null, failure, state: "unknown_error" });
  }

  /** Its begin was cancelled before Slurm had it. */
  cancel(): void {
    this.#end(cancelledEnd);
  }

  /** Before its first start, or, where the destination lets Slurm do so, after one that a node or a preemption cut short. */
  async #seeWaiting(job: SlurmJob, restarts: Restarts): Promise<void> {
    this.#since.clear();
    const mayHaveBegun = this.#hasBegun || this.submissions === 0;
    if (!this.#isSetAside && mayHaveBegun && (await begunBy(this.run)) === this.jobId) {
      this.#begin();
      this.#isSetAside = await setAsideEnd(this.run, restarts);
    }
    const reason = pendingReason(job.reason);
    this.#say(this.#hasBegun ? `Slurm has put the job back into its queue; ${reason}` : reason);
  }

  async #seeEnd(job: SlurmJob): Promise<Look> {
    const owner = await begunBy(this.run);
    if (owner !== undefined && owner !== this.jobId) return this.#follow(owner);
    if (!endedBySlurm.has(baseState(job.state)) && (await this.#survives())) return "goes-on";
    const end = await judgeEnd(this.run, job);
    if (owner !== undefined) this.#begin();
    this.#isGone = true;
    if (end !== undefined) return this.#end(end);
    if (owner === undefined && (await wasCancelled(this.run))) return this.#end(cancelledEnd);
    if (!this.#isOverdue("record")) return "goes-on";
    return this.#end(notReturnedEnd(`Slurm says ${job.state}, and there is no exit status of the job.`));
  }

  /**
   * Whether processes of the run live on without Slurm: their node was given up, or a controller that lost its latest state
   * started the job once more, and the batch script ended that.
   */
  async #survives(): Promise<boolean> {
    if ((await recordedEnd(this.run)) !== undefined || !(await isAlive(this.run))) return false;
    return !this.#isOverdue("survivor");
  }

  /** Another job of Slurm was faster; this one has done nothing. */
  async #follow(owner: string): Promise<Look> {
    this.#isGone = false;
    await this.submitted(owner);
    return "goes-on";
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#begun.resolve(this.jobId ?? "");
  }

  #end(end: RunEnd): "ended" {
    this.#isOver = true;
    this.#ended.resolve(end);
    return "ended";
  }

  #isOverdue(what: "record" | "ghost" | "forgotten" | "survivor"): boolean {
    const now = performance.now();
    const since = this.#since.get(what) ?? now;
    this.#since.set(what, since);
    return now - since >= this.#patience[what];
  }

  #say(reason: string): void {
    this.#reason = reason;
    this.#tell();
  }

  /** Only changes are told; before its begin no reason is no news. */
  #tell(): void {
    const news = { externalId: this.jobId ?? "", reason: this.#reason };
    const text = JSON.stringify(news);
    if (this.#listener === undefined || text === this.#told) return;
    if (this.#reason === "" && !this.#hasBegun) return;
    this.#told = text;
    this.#listener(news);
  }
}

const cancelledEnd: RunEnd = {
  exitCode: null,
  failure: "The job was cancelled before it began.",
  state: "unknown_error",
};

function deferred<T>(): { readonly promise: Promise<T>; resolve(value: T): void } {
  let settle!: (value: T) => void;
  const promise = new Promise<T>((resolve) => (settle = resolve));
  return { promise, resolve: settle };
}
