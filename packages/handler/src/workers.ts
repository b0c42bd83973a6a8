import type { JobRow } from "@galaxy-jobs/shared-db";
import { defaultTag } from "./assignment/assignment.ts";
import type { HandlerContext } from "./handler-context.ts";

/** `go`: the job holds a worker. `late`: it waited for so long that another handler may start it sooner. `lost`: it is not to run. */
export type Turn = "go" | "late" | "lost" | "stopped";

/** Jobs are queued ahead of their worker for so much of the workers' time, ms. */
const horizon = 250;
/** For one runner at most. */
const mostAhead = 100;
/** A job that is ready waits for a worker at most so long, ms: then what runs is longer than what ran before. */
const patience = 1_000;
/** How much the last run counts in what a run usually takes. */
const weight = 1 / 8;

interface Holder {
  readonly runner: string;
  /** By `performance.now()`. */
  readonly since: number;
}

interface Waiting {
  readonly runner: string;
  /** Others may have it when it waits for long. */
  readonly ofPool: boolean;
  /** Since when it is ready to start, by `performance.now()`, and who is told when it may; absent while it is being prepared. */
  ready?: { readonly since: number; answer(turn: Turn): void };
}

/**
 * Who holds a worker of each runner, and who waits for one. A worker whose runs take milliseconds would spend most of its time
 * between two runs, on a claim, its commit and a run directory. So while runs are short, some jobs are queued and prepared ahead of
 * their worker, for a quarter of a second's work. Where runs are longer no job is taken before there is a worker for it: it might wait while
 * another handler idles. One that waits for longer than was to be expected goes back to its pool.
 */
export class Workers {
  readonly #context: Pick<HandlerContext, "runners" | "tags">;
  readonly #now: () => number;
  /** In the order of their `since`. */
  readonly #holders = new Map<number, Holder>();
  /** How many there are, by runner. */
  readonly #held = new Map<string, number>();
  /** In the order in which they came. */
  readonly #waiting = new Map<number, Waiting>();
  /** Jobs whose run has ended, and that hold no worker any more. */
  readonly #ending = new Set<number>();
  /** For how long a job holds a worker of late, ms, by runner. */
  readonly #usual = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param now for tests: the time, ms */
  constructor(context: Pick<HandlerContext, "runners" | "tags">, now = () => performance.now()) {
    this.#context = context;
    this.#now = now;
  }

  /** Jobs that hold a worker, wait for one, or have given theirs up and are not over. */
  get size(): number {
    return this.#holders.size + this.#waiting.size + this.#ending.size;
  }

  /** Workers of each runner that no job holds or waits for. Negative where jobs wait, or runs were found again. */
  free(): Map<string, number> {
    const free = new Map([...this.#context.runners.keys()].map((runner) => [runner, this.#free(runner)]));
    for (const { runner } of this.#waiting.values()) free.set(runner, free.get(runner)! - 1);
    return free;
  }

  /** Jobs that each runner can take now: for its free workers, and ahead of them. */
  room(): Map<string, number> {
    const long = this.#longHeld();
    return new Map(
      [...this.free()].map(([runner, free]) => {
        const ahead = this.#free(runner) - free;
        const places = this.#places(runner, this.#slots(runner) - (long.get(runner) ?? 0));
        // Many at once, and not each as a place becomes free: a claim costs a commit.
        return [runner, free + (ahead > places / 2 ? 0 : places)];
      }),
    );
  }

  /** A run that was found again holds a worker, whether one is free or not. */
  hold(jobId: number, runner: string): void {
    this.#waiting.delete(jobId);
    this.#drop(jobId);
    this.#holders.set(jobId, { runner, since: this.#now() });
    this.#held.set(runner, (this.#held.get(runner) ?? 0) + 1);
  }

  /** A job that was queued holds a worker, or will as soon as one is free. One that does so already is left as it is. */
  queue({ id, assignedHandler }: Pick<JobRow, "id" | "assignedHandler">, runner: string): void {
    if (this.#holders.has(id) || this.#waiting.has(id)) return;
    if (this.#free(runner) > 0) this.hold(id, runner);
    else
      this.#waiting.set(id, { runner, ofPool: this.#context.tags.includes(assignedHandler ?? defaultTag) });
  }

  /** Waits until a job that is ready to start holds a worker. */
  turn(jobId: number): Promise<Turn> {
    if (this.#stopped) return Promise.resolve("stopped");
    const waiting = this.#waiting.get(jobId);
    if (waiting === undefined) return Promise.resolve(this.#holders.has(jobId) ? "go" : "lost");
    this.#timer ??= setTimeout(() => this.#endLate(), patience / 4).unref();
    return new Promise((answer) => (waiting.ready = { since: this.#now(), answer }));
  }

  /**
   * The run of a job has ended: its worker may start another while the results are read and written. No more jobs than a runner
   * has workers are in this state; those beyond keep theirs. @returns whether a worker is free now
   */
  runEnded(jobId: number): boolean {
    const holder = this.#holders.get(jobId);
    if (holder === undefined) return false;
    const took = this.#now() - holder.since;
    const usual = this.#usual.get(holder.runner) ?? took;
    this.#usual.set(holder.runner, usual + (took - usual) * weight);
    if (this.#ending.size >= this.#slots(holder.runner)) return false;
    this.#ending.add(jobId);
    return this.#giveUp(jobId);
  }

  /** The job is over here. @returns whether a worker is free now */
  leave(jobId: number): boolean {
    this.remove(jobId);
    this.#ending.delete(jobId);
    return this.#giveUp(jobId);
  }

  /** The job is not to run: it waits no longer. */
  remove(jobId: number): void {
    this.#answer(jobId, "lost");
  }

  /** Nothing is started any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const id of this.#waiting.keys()) this.#answer(id, "stopped");
  }

  #giveUp(jobId: number): boolean {
    const runner = this.#drop(jobId);
    if (runner === undefined) return false;
    while (this.#free(runner) > 0) {
      const next = this.#next(runner);
      if (next === undefined) return true;
      const { ready } = this.#waiting.get(next)!;
      this.hold(next, runner);
      ready?.answer("go");
    }
    return false;
  }

  /** @returns its runner, if it held a worker */
  #drop(jobId: number): string | undefined {
    const runner = this.#holders.get(jobId)?.runner;
    if (runner === undefined) return undefined;
    this.#holders.delete(jobId);
    this.#held.set(runner, this.#held.get(runner)! - 1);
    return runner;
  }

  /** The first that is ready, else the first. */
  #next(runner: string): number | undefined {
    let first: number | undefined;
    for (const [id, waiting] of this.#waiting) {
      if (waiting.runner !== runner) continue;
      if (waiting.ready !== undefined) return id;
      first ??= id;
    }
    return first;
  }

  #answer(jobId: number, turn: Turn): void {
    const waiting = this.#waiting.get(jobId);
    this.#waiting.delete(jobId);
    waiting?.ready?.answer(turn);
  }

  #endLate(): void {
    const now = this.#now();
    for (const [id, { ofPool, ready }] of this.#waiting)
      if (ofPool && ready !== undefined && now - ready.since > patience) this.#answer(id, "late");
    this.#timer =
      this.#waiting.size === 0 ? undefined : setTimeout(() => this.#endLate(), patience / 4).unref();
  }

  /** Workers whose present job has them for longer than jobs are taken ahead for, by runner. */
  #longHeld(): Map<string, number> {
    const long = new Map<string, number>();
    const began = this.#now() - horizon;
    for (const { runner, since } of this.#holders.values()) {
      if (since > began) break;
      long.set(runner, (long.get(runner) ?? 0) + 1);
    }
    return long;
  }

  /** Jobs that may be ahead of so many workers. */
  #places(runner: string, workers: number): number {
    const usual = this.#usual.get(runner);
    if (usual === undefined || usual >= horizon) return 0;
    return Math.min(mostAhead, Math.floor((workers * horizon) / Math.max(usual, 1)));
  }

  #free(runner: string): number {
    return this.#slots(runner) - (this.#held.get(runner) ?? 0);
  }

  #slots(runner: string): number {
    return this.#context.runners.get(runner)?.slots ?? 0;
  }
}
