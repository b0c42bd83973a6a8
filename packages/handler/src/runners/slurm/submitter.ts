import type { PreparedRun } from "../runner.ts";
import { BackOff } from "./back-off.ts";
import { begunBy, claimSubmission, wasCancelled } from "./run-record.ts";
import type { RunWatch } from "./run-watch.ts";
import { SlurmUnansweredError, type SlurmCommands, type Submission } from "./slurm-commands.ts";
import { jobComment, jobName, sbatchArguments, sbatchInput, settingsOf } from "./submission.ts";
import { SubmitGate } from "./submit-gate.ts";

/** What a turn at the gate came to: the job of Slurm, or none for good. `full`: Slurm takes no more such jobs now. */
type Turn = { readonly jobId: string } | "full" | "none";

/**
 * Gives runs to Slurm. What is written before anything is done makes each crash a provable state: a run that was not claimed was
 * not submitted; one that was claimed and has no job id is looked for by its comment before it is submitted again. Should both
 * miss each other, the batch script lets only one of two jobs run.
 */
export class Submitter {
  readonly #commands: SlurmCommands;
  readonly #gate: SubmitGate;
  readonly #closing: AbortSignal;
  /** A controller that is coming back is not met by a thousand at once. */
  readonly #silence: BackOff;
  /** By what the jobs ask for: limits are those of an account or a quality of service. */
  readonly #limits = new Map<string, BackOff>();

  constructor(commands: SlurmCommands, workers: number, closing: AbortSignal) {
    this.#commands = commands;
    this.#gate = new SubmitGate(workers, closing);
    this.#closing = closing;
    this.#silence = new BackOff(closing);
  }

  answered(): void {
    this.#silence.succeeded();
  }

  /** @throws Error when the run was started or closed before, or cannot be written */
  async submit(watch: RunWatch): Promise<void> {
    watch.waits("it is about to be given to Slurm");
    await this.#inTurn(watch, async () => {
      const { run } = watch;
      settingsOf(run);
      await claimSubmission(run);
      return this.#untilAnswered(watch, false);
    });
  }

  /** For a run that was claimed: its job may be there. */
  async findOrSubmit(watch: RunWatch): Promise<void> {
    await this.#inTurn(watch, () => this.#untilAnswered(watch, true));
  }

  /** A job that Slurm does not take now leaves its turn to others, and waits with those that ask for the same. */
  async #inTurn(watch: RunWatch, first: () => Promise<Turn>): Promise<void> {
    let turn = await this.#gate.pass(first);
    while (turn === "full" && !watch.isOver) {
      const limit = this.#limitOf(watch);
      await limit.untilOpen();
      turn = await this.#gate.pass(async () => (limit.isOpen ? this.#untilAnswered(watch, false) : "full"));
    }
    // Noted when the next submission is under way.
    if (typeof turn === "object") await watch.submitted(turn.jobId);
  }

  #limitOf({ run }: RunWatch): BackOff {
    const key = JSON.stringify(settingsOf(run).options);
    const limit = this.#limits.get(key) ?? new BackOff(this.#closing);
    this.#limits.set(key, limit);
    return limit;
  }

  /** @param mayBeThere look for its job first */
  async #untilAnswered(watch: RunWatch, mayBeThere: boolean): Promise<Turn> {
    for (let look = mayBeThere; !this.#closing.aborted;) {
      await this.#silence.untilOpen();
      if (this.#closing.aborted) break;
      if (look) {
        const found = await this.#find(watch);
        if (found === "unanswered") continue;
        if (found !== undefined) return { jobId: found };
        look = false;
      }
      // The batch script looks for itself; this saves a dead handler's jobs the way through the queue.
      if (watch.isCancelled || (mayBeThere && (await wasCancelled(watch.run)))) {
        watch.cancel();
        break;
      }
      const submission = await this.#submitOnce(watch.run);
      if (submission.outcome === "unanswered") {
        this.#onSilence(watch, submission.reason);
        look = submission.maybe;
        continue;
      }
      this.#silence.succeeded();
      if (submission.outcome === "full") {
        this.#limitOf(watch).failed();
        watch.waits(`Slurm takes no more such jobs now: ${submission.reason}`);
        return "full";
      }
      if (submission.outcome === "refused") watch.fail(`Slurm refused the job: ${submission.reason}`);
      else return this.#onSubmitted(watch, submission.jobId);
      break;
    }
    return "none";
  }

  #submitOnce(run: PreparedRun): Promise<Submission> {
    const settings = settingsOf(run);
    return this.#commands.submit(sbatchArguments(run, settings), sbatchInput(run, settings), this.#closing);
  }

  async #onSubmitted(watch: RunWatch, jobId: string): Promise<Turn> {
    const key = JSON.stringify(settingsOf(watch.run).options);
    this.#limits.get(key)?.succeeded();
    this.#limits.delete(key);
    watch.submissions += 1;
    if (!watch.isCancelled) return { jobId };
    // Its directory may be gone by now.
    await this.#commands.cancel([jobId]);
    return "none";
  }

  /** @returns the Slurm job of the run; undefined when there is none */
  async #find(watch: RunWatch): Promise<string | undefined> {
    const begun = await begunBy(watch.run);
    if (begun !== undefined) return begun;
    try {
      const job = await this.#commands.find(jobName(watch.run), jobComment(watch.run));
      this.#silence.succeeded();
      return job?.id;
    } catch (error) {
      if (!(error instanceof SlurmUnansweredError)) throw error;
      this.#onSilence(watch, error.message);
      return "unanswered";
    }
  }

  #onSilence(watch: RunWatch, reason: string): void {
    this.#silence.failed();
    watch.waits(`Slurm does not answer: ${reason}`);
  }
}
