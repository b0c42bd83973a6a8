interface Pending<Ask, Answer> {
  readonly ask: Ask;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers what many jobs ask at about the same time and asks it at once: what comes in one turn of the event loop, or while an
 * earlier question is under way, goes together. A question that fails fails for all of it.
 */
export class Coalesced<Ask, Answer> {
  readonly #answerAll: (asks: readonly Ask[]) => Promise<readonly Answer[]>;
  readonly #most: number;
  #pending: Pending<Ask, Answer>[] = [];
  #busy = false;

  /**
   * @param answerAll gives the answers in the order of what was asked
   * @param most that is asked at once
   */
  constructor(answerAll: (asks: readonly Ask[]) => Promise<readonly Answer[]>, most: number) {
    this.#answerAll = answerAll;
    this.#most = most;
  }

  ask(ask: Ask): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ ask, resolve, reject });
      if (this.#busy) return;
      this.#busy = true;
      setImmediate(() => void this.#work());
    });
  }

  async #work(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, this.#most);
      try {
        const answers = await this.#answerAll(batch.map(({ ask }) => ask));
        for (const [index, { resolve }] of batch.entries()) resolve(answers[index]!);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#busy = false;
  }
}
