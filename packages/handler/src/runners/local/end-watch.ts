import { watch, type FSWatcher } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Loop } from "@galaxy-jobs/runtime";
import type { RunEnd } from "../runner.ts";

/** Each run is looked at this often, though no announcement came, in ticks of a second. */
const rotation = 30;
/** So many runs at least are looked at in each tick. */
const fewest = 20;
const tick = 1_000;

interface Watched {
  /** @returns the end, or undefined while the run is under way */
  readonly look: () => Promise<RunEnd | undefined>;
  /** Whether something is wrong, for next to nothing: most looks end here. */
  readonly isUnderWay: () => boolean;
  readonly resolve: (end: RunEnd) => void;
  looking: boolean;
}

/**
 * Notices the ends of all runs of a handler. Supervisors announce them by a file in a folder, which one inotify watch reports;
 * announcements can be lost (a full disk, a full queue, a killed supervisor), so that a slow look at the runs in turn is the truth.
 */
export class EndWatch {
  readonly #runs = new Map<string, Watched>();
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #loop: Loop;
  #turn: Iterator<[string, Watched]> | undefined;

  /** @param onError told of a look that failed; it is repeated in its turn */
  constructor(onError: (error: unknown) => void) {
    this.#loop = new Loop({ name: "local-runs", work: () => this.#round(), onError });
  }

  /** `ended` resolves with the run's end; never after `close`. */
  async add(
    name: string,
    ends: string,
    look: Pick<Watched, "look" | "isUnderWay">,
  ): Promise<{ readonly ended: Promise<RunEnd> }> {
    await this.listen(ends);
    const ended = new Promise<RunEnd>((resolve) => {
      this.#runs.set(name, { ...look, resolve, looking: false });
    });
    await this.#loop.start();
    if (this.#runs.size === 1) this.#loop.wake();
    return { ended };
  }

  /** The run was not started after all. */
  drop(name: string): void {
    this.#runs.delete(name);
  }

  has(name: string): boolean {
    return this.#runs.has(name);
  }

  /** A run's end may have come before its announcement was listened for. */
  async look(name: string): Promise<void> {
    const run = this.#runs.get(name);
    if (run === undefined || run.looking) return;
    run.looking = true;
    try {
      const end = await run.look();
      if (end === undefined) return;
      this.#runs.delete(name);
      run.resolve(end);
    } finally {
      run.looking = false;
    }
  }

  async listen(ends: string): Promise<void> {
    if (this.#watchers.has(ends)) return;
    await mkdir(ends, { recursive: true });
    if (this.#watchers.has(ends)) return;
    const watcher = watch(ends, { persistent: false }, (_, name) => {
      if (name === null || !this.#runs.has(name)) return;
      void rm(join(ends, name), { force: true }).catch(() => undefined);
      // A failure is met again, and told, in this run's turn.
      this.look(name).catch(() => undefined);
    });
    watcher.on("error", () => undefined);
    this.#watchers.set(ends, watcher);
  }

  async close(): Promise<void> {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#loop.stop();
    this.#runs.clear();
  }

  async #round(): Promise<number> {
    const count = Math.max(fewest, Math.ceil(this.#runs.size / rotation));
    for (let looked = 0; looked < Math.min(count, this.#runs.size); looked += 1) {
      const next = this.#next();
      if (next === undefined) break;
      if (!next[1].isUnderWay()) await this.look(next[0]);
    }
    return this.#runs.size === 0 ? Number.POSITIVE_INFINITY : tick;
  }

  #next(): [string, Watched] | undefined {
    const { value, done } = this.#turn?.next() ?? { done: true as const, value: undefined };
    if (done !== true) return value;
    this.#turn = this.#runs.entries();
    const first = this.#turn.next();
    return first.done === true ? undefined : first.value;
  }
}
