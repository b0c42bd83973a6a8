/** Lets a bounded number of submissions through at a time. */
export class SubmitGate {
  readonly #closing: AbortSignal;
  #free: number;
  readonly #line: (() => void)[] = [];

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
}
