import type { Service } from "./service.ts";

/** setTimeout turns a longer wait into 1 ms, which would make a patient loop a hot one. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/**
 * The one loop of this project: do a round of work, which says how long to wait; wait, unless woken or stopped; again.
 * Rounds never overlap. An error of a round is handed to `onError` and the loop lives on.
 */
export class Loop implements Service {
  readonly name: string;
  readonly #work: (signal: AbortSignal) => Promise<number>;
  readonly #onError: (error: unknown) => void;
  readonly #errorDelay: number;
  #stopping: AbortController | undefined;
  #running: Promise<void> | undefined;
  #woken = false;
  #endWait: (() => void) | undefined;

  /**
   * @param options.work does one round; resolves to the ms to wait before the next (0: at once, Infinity: until woken).
   *   Its signal is aborted by stop(); a round that must not be cut short ignores it. It must not await stop().
   * @param options.errorDelay the wait after an error, ms, default 1000
   */
  constructor(options: {
    name: string;
    work(signal: AbortSignal): Promise<number>;
    onError(error: unknown): void;
    errorDelay?: number;
  }) {
    this.name = options.name;
    this.#work = (signal) => options.work(signal);
    this.#onError = (error) => options.onError(error);
    this.#errorDelay = options.errorDelay ?? 1000;
  }

  start(): Promise<void> {
    if (this.#running === undefined) {
      this.#stopping = new AbortController();
      this.#running = this.#run(this.#stopping.signal);
    }
    return Promise.resolve();
  }

  /** Waits for the running round. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#stopping?.abort();
    this.#endWait?.();
    await running;
    if (this.#running === running) this.#running = undefined;
  }

  /** Ends the wait early. A wake during a round makes the next wait 0. */
  wake(): void {
    this.#woken = true;
    this.#endWait?.();
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#woken = false;
      const delay = await this.#round(signal);
      if (!signal.aborted) await this.#wait(delay);
    }
  }

  async #round(signal: AbortSignal): Promise<number> {
    try {
      const delay = await this.#work(signal);
      if (Number.isNaN(delay)) throw new TypeError(`loop ${this.name}: a round answered NaN as its wait`);
      return delay;
    } catch (error) {
      try {
        this.#onError(error);
      } catch (failure) {
        process.emitWarning(`loop ${this.name}: its error handler threw: ${String(failure)}`);
      }
      return this.#errorDelay;
    }
  }

  #wait(delay: number): Promise<void> {
    return new Promise((resolve) => {
      // Even "at once" goes through the event loop, so that a busy loop cannot starve sockets and timers.
      if (delay <= 0 || this.#woken) {
        setImmediate(resolve);
        return;
      }
      const timer = setTimeout(() => this.#endWait?.(), Math.min(delay, LONGEST_WAIT_MS));
      this.#endWait = () => {
        clearTimeout(timer);
        this.#endWait = undefined;
        resolve();
      };
    });
  }
}
