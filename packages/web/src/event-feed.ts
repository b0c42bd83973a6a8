import { Loop, type Logger, type Service } from "@galaxy-jobs/runtime";
import { jobChangesAfter, newestJobChange, type Database, type JobChange } from "@galaxy-jobs/shared-db";

/** Between two looks while somebody listens, ms. */
const poll = 300;
/** Rows can become visible after rows with higher ids: so far back each look reads again. */
const overlap = 500;
const batch = 2_000;

type Listener = (change: JobChange) => void;

/** The state changes of all jobs, read once for all the listeners of this process, and only while there are any. */
export class EventFeed implements Service {
  readonly name = "event-feed";
  readonly #database: Database;
  readonly #loop: Loop;
  readonly #listeners = new Set<Listener>();
  #newest: number | undefined;
  #seen = new Set<number>();
  #starting: (() => void)[] = [];

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#loop = new Loop({
      name: "event-feed",
      work: () => this.#round(),
      onError: (error) => logger.debug("feed.trouble", { error }),
    });
  }

  start(): Promise<void> {
    return this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    this.#listeners.clear();
  }

  /**
   * Hears of every change that becomes visible after `started`; what became visible before is in the tables by then.
   */
  listen(listener: Listener): { readonly started: Promise<void>; stop(): void } {
    this.#listeners.add(listener);
    const started =
      this.#newest === undefined
        ? new Promise<void>((resolve) => this.#starting.push(resolve))
        : Promise.resolve();
    this.#loop.wake();
    return { started, stop: () => this.#listeners.delete(listener) };
  }

  async #begin(): Promise<void> {
    const newest = await newestJobChange(this.#database);
    const known = await jobChangesAfter(this.#database, newest - overlap, overlap + 1);
    this.#seen = new Set(known.map(({ id }) => id));
    this.#newest = newest;
    for (const tell of this.#starting.splice(0)) tell();
  }

  async #round(): Promise<number> {
    if (this.#listeners.size === 0) {
      this.#newest = undefined;
      this.#seen.clear();
      for (const tell of this.#starting.splice(0)) tell();
      return Number.POSITIVE_INFINITY;
    }
    if (this.#newest === undefined) {
      await this.#begin();
      return poll;
    }
    const changes = await jobChangesAfter(
      this.#database,
      Math.max(0, this.#newest - overlap),
      batch + overlap,
    );
    for (const change of changes) {
      if (this.#seen.has(change.id)) continue;
      this.#seen.add(change.id);
      this.#newest = Math.max(this.#newest, change.id);
      for (const listener of this.#listeners) listener(change);
    }
    for (const id of this.#seen) if (id <= this.#newest - overlap) this.#seen.delete(id);
    return changes.length >= batch ? 0 : poll;
  }
}
