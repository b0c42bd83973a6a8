import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { batchScript } from "./batch-script.ts";
import { begunBy, claimSubmission, wasCancelled } from "./run-record.ts";
import type { RunWatch } from "./run-watch.ts";
import { SlurmUnansweredError, type SlurmCommands } from "./slurm-commands.ts";
import { batchScriptName, jobComment, jobName, sbatchArguments, settingsOf } from "./submission.ts";
import { SubmitGate } from "./submit-gate.ts";

/**
 * Gives runs to Slurm. What is written before anything is done makes each crash a provable state: a run that was not claimed was
 * not submitted; one that was claimed and has no job id is looked for by its comment before it is submitted again. Should both
 * miss each other, the batch script lets only one of two jobs run.
 */
export class Submitter {
  readonly #commands: SlurmCommands;
  readonly #gate: SubmitGate;
  readonly #closing: AbortSignal;

  constructor(commands: SlurmCommands, workers: number, closing: AbortSignal) {
    this.#commands = commands;
    this.#gate = new SubmitGate(workers, closing);
    this.#closing = closing;
  }

  answered(): void {
    this.#gate.answered();
  }

  /** @throws Error when the run was started or closed before, or cannot be written */
  async submit(watch: RunWatch): Promise<void> {
    watch.waits("it is about to be given to Slurm");
    await this.#gate.pass(async () => {
      const { run } = watch;
      settingsOf(run);
      await claimSubmission(run);
      await writeFile(join(run.directory, batchScriptName), batchScript, { mode: 0o755 });
      await this.#untilAnswered(watch, false);
    });
  }

  /** For a run that was claimed: its job may be there. */
  async findOrSubmit(watch: RunWatch): Promise<void> {
    await this.#gate.pass(async () => {
      await writeFile(join(watch.run.directory, batchScriptName), batchScript, { mode: 0o755 });
      await this.#untilAnswered(watch, true);
    });
  }

  /** @param mayBeThere look for its job first */
  async #untilAnswered(watch: RunWatch, mayBeThere: boolean): Promise<void> {
    for (let look = mayBeThere; !this.#closing.aborted;) {
      await this.#gate.untilOpen();
      if (this.#closing.aborted) return;
      if (look) {
        const found = await this.#find(watch);
        if (found === "unanswered") continue;
        if (found !== undefined) return watch.submitted(found);
        look = false;
      }
      if (watch.isCancelled || (await wasCancelled(watch.run))) return watch.cancel();
      const submission = await this.#commands.submit(
        sbatchArguments(watch.run, settingsOf(watch.run)),
        this.#closing,
      );
      if (submission.outcome === "unanswered") {
        this.#onSilence(watch, submission.reason);
        look = submission.maybe;
        continue;
      }
      this.#gate.answered();
      if (submission.outcome === "refused") return watch.fail(`Slurm refused the job: ${submission.reason}`);
      watch.submissions += 1;
      // Its directory may be gone by now.
      if (watch.isCancelled) return this.#commands.cancel([submission.jobId]);
      return watch.submitted(submission.jobId);
    }
  }

  /** @returns the Slurm job of the run; undefined when there is none */
  async #find(watch: RunWatch): Promise<string | undefined> {
    const begun = await begunBy(watch.run);
    if (begun !== undefined) return begun;
    try {
      const job = await this.#commands.find(jobName(watch.run), jobComment(watch.run));
      this.#gate.answered();
      return job?.id;
    } catch (error) {
      if (!(error instanceof SlurmUnansweredError)) throw error;
      this.#onSilence(watch, error.message);
      return "unanswered";
    }
  }

  #onSilence(watch: RunWatch, reason: string): void {
    this.#gate.unanswered();
    watch.waits(`Slurm does not answer: ${reason}`);
  }
}
