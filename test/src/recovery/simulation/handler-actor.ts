import type { Guards, Ownership, World } from "./world.ts";

/** One step of an actor: a statement, which travels to the database and may be carried out after its sender's death; something
 *  done on the spot; or a wait. */
export type Step =
  | { readonly kind: "statement"; readonly run: (world: World) => unknown }
  | { readonly kind: "local"; readonly run: (world: World) => unknown }
  | { readonly kind: "spawn"; readonly job: number; readonly runFence: number }
  | { readonly kind: "pause" };

export type Thread = Generator<Step, void, unknown>;

const statement = (run: (world: World) => unknown): Step => ({ kind: "statement", run });
const local = (run: (world: World) => unknown): Step => ({ kind: "local", run });
const pause: Step = { kind: "pause" };

const batch = 2;
const mostInHand = 3;

/** A handler as the protocol has it: the order of its steps, and what it looks at between them. */
export class HandlerActor {
  readonly threads: Thread[];
  fenced = false;
  readonly #world: World;
  readonly #guards: Guards;
  readonly #incarnation: number;
  #heldUntil: number;
  #inHand = 0;

  constructor(world: World, guards: Guards) {
    this.#world = world;
    this.#guards = guards;
    this.#heldUntil = world.now + world.lease;
    this.#incarnation = world.register();
    this.threads = [this.#beat(), this.#claims(), this.#takeOver()];
  }

  get #held(): boolean {
    return !this.fenced && this.#world.now < this.#heldUntil;
  }

  *#whenHeld(): Thread {
    while (!this.#held && !this.fenced) yield pause;
  }

  *#beat(): Thread {
    while (!this.fenced) {
      const asked = this.#world.now;
      const live = yield statement((world) => world.heartbeatIfLive(this.#incarnation));
      if (live === true) this.#heldUntil = asked + this.#world.lease;
      else this.fenced = true;
      yield pause;
    }
  }

  *#claims(): Thread {
    for (;;) {
      yield* this.#whenHeld();
      if (this.fenced) return;
      if (this.#inHand < mostInHand) {
        const jobs = yield statement((world) => world.claim(this.#incarnation, batch));
        for (const job of jobs as Ownership[]) this.#take(this.#handle(job));
      }
      yield pause;
    }
  }

  *#takeOver(): Thread {
    for (;;) {
      yield* this.#whenHeld();
      if (this.fenced) return;
      const silent = (yield statement((world) => world.silent(this.#incarnation))) as number[];
      if (silent.length > 0) yield statement((world) => world.endIfDead(silent));
      const jobs = yield statement((world) => world.adopt(this.#incarnation, batch));
      for (const job of jobs as ReturnType<World["adopt"]>) this.#take(this.#recover(job));
      yield pause;
    }
  }

  #take(thread: Thread): void {
    this.#inHand += 1;
    this.threads.push(this.#counted(thread));
  }

  *#counted(thread: Thread): Thread {
    yield* thread;
    this.#inHand -= 1;
  }

  /** The path of a claimed job. */
  *#handle(mine: Ownership): Thread {
    yield* this.#whenHeld();
    if (!(yield statement((world) => world.enqueueIfClaimed(mine)))) return;
    const made = yield local((world) => world.makeDirectory(mine.id, mine.fence));
    if (made !== true) return;
    // Filling the directory takes its time.
    yield pause;
    if (this.#guards.startNeedsLease) {
      yield* this.#whenHeld();
      if (this.fenced) return;
    }
    // Between this look and the start anything may happen, though in the program it is one turn of the loop.
    yield { kind: "spawn", job: mine.id, runFence: mine.fence };
    yield* this.#whenHeld();
    if (!(yield statement((world) => world.markRunningIfQueued(mine)))) return;
    yield* this.#follow(mine, mine.fence);
  }

  *#follow(mine: Ownership, runFence: number): Thread {
    while (!this.#world.hasEnded(mine.id, runFence)) {
      if (this.fenced) return;
      yield pause;
    }
    yield* this.#whenHeld();
    if (yield statement((world) => world.finishIfOwned(mine)))
      yield local((world) => world.removeDirectory(mine.id, runFence));
  }

  /** An adopted job. */
  *#recover(job: ReturnType<World["adopt"]>[number]): Thread {
    const made =
      this.#guards.recoverMakesDirectory &&
      (yield local((world) => world.makeDirectory(job.id, job.runFence))) === true;
    const found = yield local((world) => world.recover(job.id, job.runFence));
    if (found === "not-started") {
      if (!made && this.#guards.recoverCloses)
        yield local((world) => world.removeDirectory(job.id, job.runFence));
      yield* this.#whenHeld();
      yield statement((world) => world.requeueIfNotStarted(job));
      return;
    }
    yield* this.#whenHeld();
    if (job.state === "queued" && !(yield statement((world) => world.markRunningIfQueued(job)))) return;
    yield* this.#follow(job, job.runFence);
  }
}
