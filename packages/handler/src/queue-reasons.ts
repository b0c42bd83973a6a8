import { explainWaitIfSubmitted, type Database, type JobOwnership } from "@galaxy-jobs/shared-db";
import type { HandlerContext } from "./handler-context.ts";

type Wait = JobOwnership & { readonly externalId: string; readonly reason: string };

/** News of one moment are written together, ms. */
const gathering = 50;
const writers = new WeakMap<HandlerContext, QueueReasons>();

/** The writer of a handler's reasons. */
export function reasonsOf(context: HandlerContext, database: Database): QueueReasons {
  let reasons = writers.get(context);
  if (reasons === undefined) writers.set(context, (reasons = new QueueReasons(context, database)));
  return reasons;
}

/** Thousands of jobs wait in a queue and are looked at together, so what changed is written in one statement. */
class QueueReasons {
  readonly #context: HandlerContext;
  readonly #database: Database;
  #news = new Map<number, Wait>();
  /** One statement after the other, so that the last news stands. */
  #written = Promise.resolve();

  constructor(context: HandlerContext, database: Database) {
    this.#context = context;
    this.#database = database;
  }

  note(wait: Wait): void {
    if (this.#news.size === 0)
      setTimeout(() => {
        this.#written = this.#written.then(() => this.#write());
      }, gathering);
    this.#news.set(wait.id, wait);
  }

  async #write(): Promise<void> {
    const news = [...this.#news.values()];
    this.#news = new Map();
    try {
      await explainWaitIfSubmitted(this.#database, news);
    } catch (error) {
      // Only an explanation: the next change brings another.
      this.#context.events.emit("trouble", { at: "wait-reason", error });
    }
  }
}
