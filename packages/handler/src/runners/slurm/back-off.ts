import { setTimeout as sleep } from "node:timers/promises";

/** Waits between two tries, ms: doubled from the first to the last. */
const firstWait = 1_000;
const longestWait = 30_000;

/** When something that failed may be tried again. All that failed with it wait together. */
export class BackOff {
  readonly #closing: AbortSignal;
  #wait = 0;
  #openAt = 0;

  constructor(closing: AbortSignal) {
    this.#closing = closing;
  }

  get isOpen(): boolean {
    return performance.now() >= this.#openAt;
  }

  succeeded(): void {
    this.#wait = 0;
    this.#openAt = 0;
  }

  failed(): void {
    // Several that failed together count once.
    if (!this.isOpen) return;
    this.#wait = Math.min(Math.max(this.#wait * 2, firstWait), longestWait);
    this.#openAt = performance.now() + this.#wait;
  }

  /** Until another try is due. */
  async untilOpen(): Promise<void> {
    while (!this.isOpen && !this.#closing.aborted) {
      const left = this.#openAt - performance.now();
      await sleep(Math.min(left, 1_000), undefined, { signal: this.#closing }).catch(() => undefined);
    }
  }
}
