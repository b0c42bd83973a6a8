import type { Service } from "@galaxy-jobs/runtime";
import { channels, notify } from "@galaxy-jobs/shared-db";
import type { HandlerContext } from "./handler-context.ts";

/** Other handlers are told at most this often that slots became free, ms. */
const slotHintInterval = 50;

/** What a hint may be about: each only wakes a loop, which looks by itself anyway. */
export interface HintListeners {
  readonly newJobs: () => void;
  readonly stopRequests: () => void;
  readonly freeSlots: () => void;
  readonly handlersChanged: () => void;
}

/** The notifications that a handler gets and gives. */
export class HandlerHints implements Service {
  readonly name = "handler-hints";
  readonly #context: HandlerContext;
  readonly #listeners: HintListeners;
  #slotHint: NodeJS.Timeout | undefined;
  #subscriptions: { unlisten(): Promise<void> }[] = [];
  #stopped = false;

  constructor(context: HandlerContext, listeners: HintListeners) {
    this.#context = context;
    this.#listeners = listeners;
  }

  async start(): Promise<void> {
    const { config, database, tags } = this.#context;
    const mine = new Set([config.serverName, ...tags]);
    this.#subscriptions = await Promise.all([
      database.listen(channels.newJobs, (name) => {
        if (mine.has(name)) this.#listeners.newJobs();
      }),
      database.listen(channels.stopRequests, (name) => {
        if (name === config.serverName) this.#listeners.stopRequests();
      }),
      database.listen(channels.freeSlots, () => this.#listeners.freeSlots()),
      database.listen(channels.handlersChanged, (name) => {
        if (mine.has(name)) this.#listeners.handlersChanged();
      }),
    ]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#slotHint);
    for (const subscription of this.#subscriptions) await subscription.unlisten().catch(() => undefined);
  }

  /** Jobs of other handlers may wait for the slot of one that ended here. */
  slotFreed(): void {
    if (this.#stopped || this.#slotHint !== undefined) return;
    const { database, events } = this.#context;
    this.#slotHint = setTimeout(() => {
      this.#slotHint = undefined;
      notify(database, channels.freeSlots, "").catch((error: unknown) =>
        events.emit("trouble", { at: "hint", error }),
      );
    }, slotHintInterval);
  }
}
