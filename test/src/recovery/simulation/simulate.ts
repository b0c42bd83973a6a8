import { SeededRandom } from "../random.ts";
import { HandlerActor, type Step, type Thread } from "./handler-actor.ts";
import { Violation, World, type Guards } from "./world.ts";

const handlers = 3;
const jobs = 6;
/** Steps with crashes and pauses, and those in which all must come to its end. */
const stormy = 600;
const calm = 4_000;

/** A statement or a spawned process on its way: carried out later, whether or not its sender still lives. */
interface Traveller {
  readonly arrive: () => void;
}

interface RunningThread {
  readonly thread: Thread;
  /** What the last step gave; `waiting` until a statement was answered. */
  answer: unknown;
  waiting: boolean;
}

/**
 * One life of a site, all of it following from the seed: who moves next, how time passes, which statement arrives when, who is
 * killed and who is paused. Then a calm time, at the end of which every job must have ended.
 * @throws Violation
 */
export function simulate(seed: number, guards: Guards): void {
  const random = new SeededRandom(seed);
  const world = new World(jobs, guards);
  const travellers: Traveller[] = [];
  const actors: { actor: HandlerActor; threads: Map<Thread, RunningThread>; pausedUntil: number }[] = [];
  const start = () =>
    actors.push({ actor: new HandlerActor(world, guards), threads: new Map(), pausedUntil: 0 });
  for (let index = 0; index < handlers; index += 1) start();

  const perform = (running: RunningThread, step: Step) => {
    if (step.kind === "statement") {
      running.waiting = true;
      travellers.push({
        arrive: () => {
          running.answer = step.run(world);
          running.waiting = false;
        },
      });
    } else if (step.kind === "spawn") {
      travellers.push({ arrive: () => world.begin(step.job, step.runFence, random.below(60)) });
    } else {
      running.answer = step.kind === "local" ? step.run(world) : undefined;
    }
  };
  const move = ({ actor, threads }: (typeof actors)[number]) => {
    if (actor.threads.length === 0) return;
    const thread = random.pick(actor.threads);
    const running = threads.get(thread) ?? { thread, answer: undefined, waiting: false };
    threads.set(thread, running);
    if (running.waiting) return;
    const result = thread.next(running.answer);
    if (result.done === true) actor.threads.splice(actor.threads.indexOf(thread), 1);
    else perform(running, result.value);
  };
  const tick = (faults: boolean) => {
    world.now += random.below(3);
    if (faults && random.chance(0.01)) {
      // kill -9; what it had sent arrives all the same. Another start follows, now or later.
      actors.splice(random.below(actors.length), 1);
      start();
    }
    if (faults && random.chance(0.02)) random.pick(actors).pausedUntil = world.now + random.below(150);
    if (travellers.length > 0 && random.chance(0.5))
      travellers.splice(random.below(travellers.length), 1)[0]!.arrive();
    const awake = actors.filter(
      ({ actor, pausedUntil }) => pausedUntil <= world.now && actor.threads.length > 0,
    );
    if (awake.length > 0) for (let index = 0; index < 4; index += 1) move(random.pick(awake));
    for (const [index, { actor }] of actors.entries()) {
      // A fenced handler ends; its supervisor starts it again.
      if (!actor.fenced || actor.threads.length > 0) continue;
      actors.splice(index, 1);
      start();
      break;
    }
  };
  for (let step = 0; step < stormy; step += 1) tick(true);
  for (const actor of actors) actor.pausedUntil = 0;
  const open = () => world.jobs.filter(({ state }) => state !== "ended");
  for (let step = 0; step < calm && open().length > 0; step += 1) tick(false);
  const lost = open();
  if (lost.length > 0) throw new Violation(`jobs that never ended: ${JSON.stringify(lost)}`);
}

/** @returns the first seed that violates, and how */
export function firstViolation(
  seeds: number,
  guards: Guards,
): { readonly seed: number; readonly violation: Violation } | undefined {
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      simulate(seed, guards);
    } catch (error) {
      if (error instanceof Violation) return { seed, violation: error };
      throw error;
    }
  }
  return undefined;
}
