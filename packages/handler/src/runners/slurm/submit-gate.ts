import { setTimeout as sleep } from "node:timers/promises";

/** Waits between two tries while Slurm does not answer, ms: doubled from the first to the last. */
const firstWait = 1_000;
const longestWait = 30_000;

/**
 * Lets a bounded number of submissions through at a time. When Slurm does not answer, all wait together: a controller that is
 * coming back is not met by a thousand at once.
 */
export class SubmitGate {
  readonly #closing: AbortSignal;
  #free: number;
  readonly #line: (() => void)[] = [];
  #wait = 0;
  #openAt = 0;

  constructor(width: number, closing: AbortSignal) {
    this.#free = width;
    this.#closing = closing;
  }

  /** Runs `work` when it is its turn; not at all once the gate is closed. */
  async pass<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#line.push(resolve));
    try {
      return this.#closing.aborted ? undefined : await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  answered(): void {
    this.#wait = 0;
    this.#openAt = 0;
  }

  unanswered(): void {
    // Several that failed together count once.
    if (performance.now() < this.#openAt) return;
    this.#wait = Math.min(Math.max(this.#wait * 2, firstWait), longestWait);
    this.#openAt = performance.now() + this.#wait;
  }

  /** Until another try is due. */
  async untilOpen(): Promise<void> {
    for (;;) {
      const left = this.#openAt - performance.now();
      if (left <= 0 || this.#closing.aborted) return;
      await sleep(Math.min(left, 1_000), undefined, { signal: this.#closing }).catch(() => undefined);
    }
  }
}
