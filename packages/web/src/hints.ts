import type { Logger } from "@galaxy-jobs/runtime";
import { notify, type channels, type Database } from "@galaxy-jobs/shared-db";

type Channel = (typeof channels)[keyof typeof channels];

/** At most one notification of a kind in this many ms. */
const interval = 20;

/** Notifications to other processes: the first at once, the rest of a burst as one. They are hints; a lost one costs a poll. */
export class Hints {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #waiting = new Map<string, { again: boolean }>();

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  send(channel: Channel, payload: string): void {
    const key = `${channel} ${payload}`;
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      waiting.again = true;
      return;
    }
    this.#waiting.set(key, { again: false });
    notify(this.#database, channel, payload).catch((error: unknown) =>
      this.#logger.debug("hint.lost", { channel, error }),
    );
    setTimeout(() => {
      const { again } = this.#waiting.get(key)!;
      this.#waiting.delete(key);
      if (again) this.send(channel, payload);
    }, interval).unref();
  }
}
