/** What a signal asks for. `stop`: once gracefully, a second time at once. */
export type SignalMeaning = "stop" | "reopen-logs";

/** Signals and their meaning: the whole table. */
export const SIGNALS = {
  SIGTERM: "stop",
  SIGINT: "stop",
  SIGHUP: "reopen-logs",
  SIGUSR1: "reopen-logs",
} as const satisfies Partial<Record<NodeJS.Signals, SignalMeaning>>;

export type KnownSignal = keyof typeof SIGNALS;

/**
 * Signals as data: the handlers only put them in a queue. Make it before anything else, since until then a SIGHUP ends
 * the process and a SIGUSR1 makes Node open its debugger to everybody on the machine.
 */
export class SignalQueue {
  readonly #queue: KnownSignal[] = [];
  readonly #listeners = new Map<KnownSignal, () => void>();
  #arrived: (() => void) | undefined;
  #closed = false;

  constructor() {
    for (const signal of Object.keys(SIGNALS) as KnownSignal[]) {
      const listener = (): void => {
        this.#queue.push(signal);
        this.#arrived?.();
      };
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
  }

  /** The next signal, in order of arrival; undefined once closed. One reader at a time. */
  async next(): Promise<KnownSignal | undefined> {
    while (this.#queue.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => (this.#arrived = resolve));
    }
    return this.#queue.shift();
  }

  /** Ends the reading. The listeners stay: a late signal must not end a process that is just finishing. */
  close(): void {
    this.#closed = true;
    this.#arrived?.();
  }

  /** Gives the signals their usual effect back. */
  remove(): void {
    this.close();
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }
}
