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

  /** @returns ends the listening */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.#loop.wake();
    return () => this.#listeners.delete(listener);
  }

  async #round(): Promise<number> {
    if (this.#listeners.size === 0) {
      this.#newest = undefined;
      this.#seen.clear();
      return Number.POSITIVE_INFINITY;
    }
    if (this.#newest === undefined) {
      this.#newest = await newestJobChange(this.#database);
      const known = await jobChangesAfter(this.#database, this.#newest - overlap, overlap + 1);
      this.#seen = new Set(known.map(({ id }) => id));
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
