import { Worker } from "node:worker_threads";
import { Loop, type Service } from "@galaxy-jobs/runtime";
import type { DatabaseAddress } from "@galaxy-jobs/shared-db";
import type { JobEvents } from "../job-events.ts";
import { pulseMemory, pulseViews, type PulseNews, type PulseSettings } from "./pulse.ts";

/** Somebody else has ended this incarnation: it owns nothing any more and may write nothing. */
export class FencedError extends Error {
  override readonly name = "FencedError";
  constructor(serverName: string) {
    super(
      `the handler ${serverName} was out of touch with the database for longer than its lease, and another process has taken over its jobs or its name`,
    );
  }
}

export interface LeaseOptions {
  readonly address: DatabaseAddress;
  readonly serverName: string;
  readonly incarnationId: number;
  /** Seconds. */
  readonly lease: number;
  /** Seconds. */
  readonly stuckAfter: number;
  /** `process.hrtime.bigint()` from before the incarnation was registered. */
  readonly registeredAt: bigint;
  readonly events: JobEvents;
  /** Told once: a FencedError, or what ended the heartbeat thread. */
  readonly onLost: (error: Error) => void;
}

/**
 * A handler's lease, as seen from inside: held while the last heartbeat that the database has confirmed is younger than the
 * lease, on the monotonic clock. A thread renews it; see incarnation.ts for what follows from it.
 */
export class Lease implements Service {
  readonly name = "lease";
  readonly #options: LeaseOptions;
  readonly #memory = new SharedArrayBuffer(pulseMemory);
  readonly #views = pulseViews(this.#memory);
  readonly #signs: Loop;
  readonly #waiting = new Set<{ resolve(): void; reject(error: Error): void }>();
  #thread: Worker | undefined;
  #ended: Promise<unknown> | undefined;
  /** Why it is never held again. */
  #lost: Error | undefined;
  #stopped = false;
  /** When the lease was held again after it had not been, ns of the monotonic clock; 0: it always was. */
  #regainedAt = 0n;
  #wasHeld = true;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#views.heldUntil[0] = options.registeredAt + BigInt(Math.round(options.lease * 1e9));
    const pace = Math.min(1000, (options.stuckAfter * 1000) / 10);
    this.#signs = new Loop({
      name: "signs of life",
      work: () => {
        Atomics.add(this.#views.signs, 0, 1);
        return Promise.resolve(pace);
      },
      onError: () => undefined,
    });
  }

  get incarnationId(): number {
    return this.#options.incarnationId;
  }

  /** Whether this process may act now. */
  held(): boolean {
    return this.#lost === undefined && process.hrtime.bigint() < Atomics.load(this.#views.heldUntil, 0);
  }

  /**
   * Whether this process may judge that another is dead. One that was itself out of touch may not for the time of a lease: what
   * kept it from the database may have kept the others too, and they are about to come back.
   */
  mayJudge(): boolean {
    if (!this.held()) return false;
    const since = process.hrtime.bigint() - this.#regainedAt;
    return this.#regainedAt === 0n || since > BigInt(Math.round(this.#options.lease * 1e9));
  }

  /** It will not be held again: all that this process had is somebody else's, or about to be. */
  get lost(): boolean {
    return this.#lost !== undefined;
  }

  /** Waits until the lease is held. @throws what it was lost by, and an error when the handler, or what waits, stops meanwhile */
  async whenHeld(stopping?: AbortSignal): Promise<void> {
    while (!this.held()) {
      if (this.#lost !== undefined) throw this.#lost;
      if (this.#stopped || stopping?.aborted === true)
        throw new Error("the handler stops, and its lease is not held");
      await this.#change(stopping);
    }
  }

  async #change(stopping: AbortSignal | undefined): Promise<void> {
    const settled = new AbortController();
    try {
      await new Promise<void>((resolve, reject) => {
        this.#waiting.add({ resolve, reject });
        stopping?.addEventListener("abort", () => resolve(), { signal: settled.signal });
      });
    } finally {
      settled.abort();
    }
  }

  async start(): Promise<void> {
    const { address, serverName, incarnationId, lease, stuckAfter } = this.#options;
    await this.#signs.start();
    const settings: PulseSettings = {
      memory: this.#memory,
      address,
      applicationName: `galaxy-heartbeat ${serverName}`,
      incarnationId,
      lease: lease * 1000,
      stuckAfter: stuckAfter * 1000,
    };
    const thread = new Worker(new URL("./pulse-thread.js", import.meta.url), {
      workerData: settings,
      // It needs little, and a handler shall idle with little.
      resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 },
    });
    thread.unref();
    thread.on("message", (news: PulseNews) => this.#hear(news));
    thread.once("error", (error) =>
      this.#lose(
        new Error(`the heartbeat thread failed: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        }),
      ),
    );
    this.#ended = new Promise((resolve) => thread.once("exit", resolve));
    this.#thread = thread;
  }

  /** Gives up whoever still waits for the lease; it goes on being renewed until `stop`. */
  giveUp(): void {
    this.#stopped = true;
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async stop(): Promise<void> {
    this.giveUp();
    await this.#signs.stop();
    const thread = this.#thread;
    if (thread === undefined) return;
    this.#thread = undefined;
    thread.postMessage("stop");
    const timer = setTimeout(() => void thread.terminate(), 2000);
    thread.ref();
    await this.#ended;
    clearTimeout(timer);
  }

  #hear(news: PulseNews): void {
    const { events, incarnationId: incarnation, serverName } = this.#options;
    switch (news.kind) {
      case "renewed":
        if (!this.#wasHeld) this.#regainedAt = process.hrtime.bigint();
        this.#wasHeld = true;
        for (const { resolve } of this.#waiting) resolve();
        this.#waiting.clear();
        return;
      case "missed":
        this.#wasHeld = this.held();
        events.emit("heartbeat_missed", { incarnation, reason: news.reason, held: this.held() });
        return;
      case "stuck":
        events.emit("stuck", { incarnation, milliseconds: Math.round(news.stuck) });
        return;
      case "fenced":
        if (this.#lost !== undefined) return;
        events.emit("fenced", { incarnation });
        this.#lose(new FencedError(serverName));
    }
  }

  #lose(error: Error): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
    this.#options.onLost(error);
  }
}
