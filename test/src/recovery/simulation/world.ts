/**
 * The world of the simulation: the rows as the statements of shared-db change them (each one atomic, as PostgreSQL makes it),
 * the run directories, and the processes of jobs. Time is a number that only the scheduler moves.
 */

/** What the protocol rests on (packages/handler/src/incarnation.ts). A test takes one out to see that its absence is noticed. */
export interface Guards {
  /** A write names the fence it was claimed under. */
  readonly fence: boolean;
  /** A claim or an adoption by an ended incarnation takes nothing. */
  readonly claimNeedsLive: boolean;
  /** The statement that ends a silent incarnation looks at the heartbeat again. */
  readonly takeOverRechecks: boolean;
  /** Whoever finds a run not started closes it for good. */
  readonly recoverCloses: boolean;
  /** An adopter makes the run directory where it is not there yet. */
  readonly recoverMakesDirectory: boolean;
  /** A handler looks at its lease between making the directory and the start. */
  readonly startNeedsLease: boolean;
  /** A job that was written as running, and whose process had not begun, goes back. */
  readonly requeueFromRunning: boolean;
}

export const allGuards: Guards = {
  fence: true,
  claimNeedsLive: true,
  takeOverRechecks: true,
  recoverCloses: true,
  recoverMakesDirectory: true,
  startNeedsLease: true,
  requeueFromRunning: true,
};

/** Something happened that must not. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export interface Job {
  readonly id: number;
  state: "new" | "queued" | "running" | "ended";
  incarnation: number | undefined;
  fence: number;
  runFence: number;
}

interface Incarnation {
  readonly id: number;
  heartbeat: number;
  ended: boolean;
}

interface RunDirectory {
  closed: boolean;
  /** When the run's process ends; undefined before it has begun. */
  endsAt: number | undefined;
}

export interface Ownership {
  readonly id: number;
  readonly fence: number;
  readonly incarnation: number;
}

export class World {
  now = 0;
  readonly lease = 30;
  readonly jobs: Job[];
  readonly #guards: Guards;
  readonly #incarnations: Incarnation[] = [];
  readonly #directories = new Map<string, RunDirectory>();
  readonly #runs = new Map<number, number>();

  constructor(jobs: number, guards: Guards) {
    this.#guards = guards;
    this.jobs = Array.from({ length: jobs }, (_, id) => ({
      id,
      state: "new",
      incarnation: undefined,
      fence: 0,
      runFence: 0,
    }));
  }

  // Statements.

  register(): number {
    const id = this.#incarnations.length;
    this.#incarnations.push({ id, heartbeat: this.now, ended: false });
    return id;
  }

  heartbeatIfLive(id: number): boolean {
    const row = this.#incarnations[id]!;
    if (row.ended) return false;
    row.heartbeat = this.now;
    return true;
  }

  /** A look at who is silent, as the basis of a take-over in a later statement. */
  silent(exceptId: number): number[] {
    return this.#incarnations
      .filter(({ id, ended, heartbeat }) => id !== exceptId && !ended && heartbeat < this.now - this.lease)
      .map(({ id }) => id);
  }

  endIfDead(ids: readonly number[]): void {
    for (const id of ids) {
      const row = this.#incarnations[id]!;
      if (row.ended) continue;
      const dead = row.heartbeat < this.now - this.lease;
      if (this.#guards.takeOverRechecks && !dead) continue;
      if (!dead) throw new Violation(`incarnation ${id} was ended although its lease was not over`);
      row.ended = true;
      for (const job of this.jobs) {
        if (job.incarnation !== id || job.state !== "new") continue;
        job.incarnation = undefined;
        job.fence += 1;
      }
    }
  }

  claim(incarnation: number, limit: number): Ownership[] {
    if (!this.#mayTake(incarnation)) return [];
    const free = this.jobs.filter((job) => job.state === "new" && job.incarnation === undefined);
    return free.slice(0, limit).map((job) => this.#take(job, incarnation));
  }

  adopt(incarnation: number, limit: number): (Ownership & { runFence: number; state: Job["state"] })[] {
    if (!this.#mayTake(incarnation)) return [];
    const left = this.jobs.filter(
      ({ state, incarnation: holder }) =>
        (state === "queued" || state === "running") &&
        holder !== undefined &&
        this.#incarnations[holder]!.ended,
    );
    return left
      .slice(0, limit)
      .map((job) => ({ ...this.#take(job, incarnation), runFence: job.runFence, state: job.state }));
  }

  enqueueIfClaimed(mine: Ownership): boolean {
    return this.#write(mine, ["new"], (job) => {
      job.state = "queued";
      job.runFence = mine.fence;
    });
  }

  markRunningIfQueued(mine: Ownership): boolean {
    return this.#write(mine, ["queued"], (job) => (job.state = "running"));
  }

  requeueIfNotStarted(mine: Ownership): boolean {
    const states = this.#guards.requeueFromRunning ? (["queued", "running"] as const) : (["queued"] as const);
    return this.#write(mine, states, (job) => {
      job.state = "new";
      job.incarnation = undefined;
      job.fence += 1;
    });
  }

  finishIfOwned(mine: Ownership): boolean {
    return this.#write(mine, ["queued", "running"], (job) => {
      if (this.#runs.get(job.id) !== 1) throw new Violation(`job ${job.id} ended without having run`);
      job.state = "ended";
    });
  }

  // Files and processes: what a process does on the spot.

  /** @returns false when it is there already */
  makeDirectory(job: number, runFence: number): boolean {
    const name = `${job}.${runFence}`;
    if (this.#directories.has(name)) return false;
    this.#directories.set(name, { closed: false, endsAt: undefined });
    return true;
  }

  removeDirectory(job: number, runFence: number): void {
    this.#directories.delete(`${job}.${runFence}`);
  }

  /** The supervisor of a run begins, some time after it was spawned: it refuses for a directory that is closed, gone or in use. */
  begin(job: number, runFence: number, duration: number): void {
    const directory = this.#directories.get(`${job}.${runFence}`);
    if (directory === undefined || directory.closed || directory.endsAt !== undefined) return;
    directory.endsAt = this.now + duration;
    const runs = (this.#runs.get(job) ?? 0) + 1;
    this.#runs.set(job, runs);
    if (runs > 1) throw new Violation(`job ${job} ran ${runs} times`);
  }

  hasEnded(job: number, runFence: number): boolean {
    const endsAt = this.#directories.get(`${job}.${runFence}`)?.endsAt;
    return endsAt !== undefined && endsAt <= this.now;
  }

  /** The runner's `recover`. */
  recover(job: number, runFence: number): "not-started" | "started" {
    const directory = this.#directories.get(`${job}.${runFence}`);
    if (directory?.endsAt !== undefined) return "started";
    if (directory !== undefined && this.#guards.recoverCloses) directory.closed = true;
    return "not-started";
  }

  #mayTake(incarnation: number): boolean {
    return !this.#guards.claimNeedsLive || !this.#incarnations[incarnation]!.ended;
  }

  #take(job: Job, incarnation: number): Ownership {
    job.incarnation = incarnation;
    job.fence += 1;
    return { id: job.id, fence: job.fence, incarnation };
  }

  #write(mine: Ownership, states: readonly Job["state"][], change: (job: Job) => void): boolean {
    const job = this.jobs[mine.id]!;
    if (!states.includes(job.state)) return false;
    const owner = job.fence === mine.fence && job.incarnation === mine.incarnation;
    if (this.#guards.fence && job.fence !== mine.fence) return false;
    if (!owner)
      throw new Violation(`incarnation ${mine.incarnation} wrote to job ${job.id}, which it does not own`);
    change(job);
    return true;
  }
}
