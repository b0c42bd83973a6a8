import { setTimeout as sleep } from "node:timers/promises";
import type { JobEvents } from "./job-events.ts";

/** Runs that are ended at once; each may take as long as its processes resist. */
const mostAtOnce = 50;
/** First and longest pause before a failed stop is tried again, ms. */
const firstPause = 500;
const longestPause = 10_000;

/**
 * Ends the runs that somebody asked to end, each on its own: one that takes long, or fails again and again, keeps no other
 * waiting. (In Galaxy one exception ends the pass for all jobs behind it, each second anew: galaxy.md 4.12, galaxy#19960.)
 */
export class StopRequests {
  readonly #events: JobEvents;
  readonly #ending = new Map<number, Promise<void>>();

  constructor(events: JobEvents) {
    this.#events = events;
  }

  /** Begins to end a run, unless that is under way, or too much is: the request stands, and the next look finds it. */
  begin(jobId: number, stop: () => Promise<void>): void {
    if (this.#ending.has(jobId) || this.#ending.size >= mostAtOnce) return;
    const ending = Promise.resolve()
      .then(stop)
      .catch((error: unknown) => this.#report(jobId, error))
      .finally(() => this.#ending.delete(jobId));
    this.#ending.set(jobId, ending);
  }

  /** Carries a stop out to its end, however often it fails. A handler that stops leaves it to whoever comes next. */
  async carryOut(jobId: number, stop: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let pause = firstPause; ; pause = Math.min(pause * 2, longestPause)) {
      try {
        return await stop();
      } catch (error) {
        this.#report(jobId, error);
        if (signal.aborted) return;
        await sleep(pause, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
      }
    }
  }

  /** Resolves when nothing is being ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#ending.values());
  }

  #report(job: number, error: unknown): void {
    this.#events.emit("trouble", { at: "stop", job, error });
  }
}
