import type { MasterSignalMeaning } from "../config/galaxy-config.ts";

/**
 * What a signal asks for. `stop`: once gracefully, a second time at once. `stop-gracefully`: a second one changes nothing,
 * whoever sent the first has the patience. What only a master can do is handed to its listener.
 */
export type SignalMeaning = MasterSignalMeaning | "stop-gracefully" | "ignore";

export type SignalTable = Readonly<Partial<Record<NodeJS.Signals, SignalMeaning>>>;

/** Signals and their meaning, for a process of its own: the whole table. */
export const SIGNALS = {
  SIGTERM: "stop",
  SIGINT: "stop",
  SIGHUP: "reopen-logs",
  SIGUSR1: "reopen-logs",
} as const satisfies SignalTable;

/**
 * The table of a process that a master started. The master tells it everything; what a terminal or a service manager sends to
 * all processes at once must not count as a second signal.
 */
export const CHILD_SIGNALS = {
  SIGTERM: "stop-gracefully",
  SIGINT: "ignore",
  SIGHUP: "ignore",
  SIGUSR1: "reopen-logs",
} as const satisfies SignalTable;

export type KnownSignal = NodeJS.Signals;

/**
 * Signals as data: the handlers only put them in a queue. Make it before anything else, since until then a SIGHUP ends
 * the process and a SIGUSR1 makes Node open its debugger to everybody on the machine.
 */
export class SignalQueue {
  readonly #queue: KnownSignal[] = [];
  readonly #listeners = new Map<KnownSignal, () => void>();
  #arrived: (() => void) | undefined;
  #closed = false;

  /** @param signals those that any table may name; SIGKILL and SIGSTOP cannot be */
  constructor(signals: Iterable<KnownSignal> = Object.keys(SIGNALS) as KnownSignal[]) {
    for (const signal of signals) {
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
