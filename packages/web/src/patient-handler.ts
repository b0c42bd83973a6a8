import { setTimeout as sleep } from "node:timers/promises";
import type { JobHandler } from "@galaxy-jobs/handler";
import { ServerNameTakenError } from "@galaxy-jobs/shared-db";
import type { Service } from "@galaxy-jobs/runtime";

/** Between two tries to get the name, ms. */
const RETRY = 200;

/**
 * The job handler of a web worker. In a reload, the new worker answers requests while the old one, which has the same server
 * name, still ends: its handler begins when the name is free. Jobs that are created meanwhile carry the name and wait for it.
 */
export class PatientHandler implements Service {
  readonly name = "job-handler";
  readonly #handler: JobHandler;
  readonly #awaitsName: boolean;
  readonly #onFailure: (error: Error) => void;
  readonly #stopping = new AbortController();
  #starting: Promise<void> = Promise.resolve();

  constructor(handler: JobHandler, options: { awaitsName: boolean; onFailure: (error: Error) => void }) {
    this.#handler = handler;
    this.#awaitsName = options.awaitsName;
    this.#onFailure = options.onFailure;
  }

  /** @throws ServerNameTakenError unless it awaits its name, when it returns at once */
  async start(): Promise<void> {
    if (!this.#awaitsName) return this.#handler.start();
    this.#starting = this.#untilStarted().catch((error: unknown) => {
      this.#onFailure(error instanceof Error ? error : new Error(String(error)));
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#starting;
    await this.#handler.stop();
  }

  take(jobId: number): Promise<boolean> {
    return this.#handler.take(jobId);
  }

  async #untilStarted(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        return await this.#handler.start();
      } catch (error) {
        if (!(error instanceof ServerNameTakenError)) throw error;
      }
      await sleep(RETRY, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }
}
