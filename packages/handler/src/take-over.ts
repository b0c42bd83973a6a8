import { hostname } from "node:os";
import { bootId, Loop, type Service } from "@galaxy-jobs/runtime";
import {
  adoptJobs,
  channels,
  endIncarnationsIfDead,
  failOverPreassignedJobs,
  notify,
  settleIncarnations,
  watchIncarnations,
  type Adopter,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { atStep } from "./fault-points.ts";
import type { HandlerContext } from "./handler-context.ts";

/** Jobs adopted in one statement: few, so that the neighbours get their share of a dead handler's jobs. */
const adoptionBatch = 20;
/** Longest pause between two batches, ms. */
const adoptionPause = 100;
/** Preassigned jobs moved in one statement. */
const failOverBatch = 1000;

/**
 * Looks after the other handlers: ends those whose lease is over, adopts what dead and stopped ones left behind, and moves the
 * jobs that wait for a dead one by name. It sleeps until the first lease of another can be over, so a death is noticed as
 * soon as it is one, and a random part more, so that not everybody comes at once.
 */
export class TakeOver implements Service {
  readonly name = "take-over";
  readonly #context: HandlerContext;
  readonly #adopted: (job: JobRow) => void;
  readonly #loop: Loop;

  /** @param options.adopted takes each adopted job in hand, at once */
  constructor(
    context: HandlerContext,
    options: { readonly adopted: (job: JobRow) => void; readonly onError: (error: unknown) => void },
  ) {
    this.#context = context;
    this.#adopted = options.adopted;
    this.#loop = new Loop({ name: "take-over", work: (stop) => this.#round(stop), onError: options.onError });
  }

  /** Adopts what is there to adopt, so that its slots are counted before the first claim. */
  async start(): Promise<void> {
    while ((await this.#adopt()) === adoptionBatch);
    await this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #round(stopping: AbortSignal): Promise<number> {
    const { config, database, incarnationId, lease } = this.#context;
    await lease.whenHeld(stopping);
    let watch = await watchIncarnations(database, incarnationId);
    if (watch.nextExpiry !== null && watch.nextExpiry <= 0 && lease.mayJudge()) {
      await this.#endDead();
      watch = await watchIncarnations(database, incarnationId);
    }
    if (watch.ended > 0 && (await this.#adopt()) === adoptionBatch) return Math.random() * adoptionPause;
    if (config.handlerFailover === "pool") await this.#failOver();
    const patience = (config.handlerLease * 1000) / 3;
    const expiry = Math.max(0, (watch.nextExpiry ?? Number.POSITIVE_INFINITY) * 1000);
    return Math.min(patience, expiry) + 20 + Math.random() * (patience / 10);
  }

  async #endDead(): Promise<void> {
    const { config, database, events, fault, incarnationId } = this.#context;
    const { dead, released } = await atStep(fault, "take-over", () =>
      endIncarnationsIfDead(database, { exceptId: incarnationId, poisonLimit: config.jobPoisonLimit }),
    );
    for (const { serverName, hostname: host, heartbeatAge } of dead) {
      const facts = { handler: serverName, hostname: host, silentSeconds: Math.round(heartbeatAge) };
      events.emit("took_over", { ...facts, releasedJobs: released.jobs });
    }
    for (const name of released.names) await notify(database, channels.newJobs, name);
  }

  /** @returns how many */
  async #adopt(): Promise<number> {
    const { config, database, fault } = this.#context;
    if (!config.enableJobRecovery) return 0;
    const jobs = await atStep(fault, "adopt", () => adoptJobs(database, adopterOf(this.#context)));
    for (const job of jobs) this.#adopted(job);
    if (jobs.length < adoptionBatch) await settleIncarnations(database);
    return jobs.length;
  }

  async #failOver(): Promise<void> {
    const { database, events, tags } = this.#context;
    for (const { name, jobs } of await failOverPreassignedJobs(database, { tags, limit: failOverBatch })) {
      events.emit("failed_over", { tag: name, jobs });
      await notify(database, channels.newJobs, name);
    }
  }
}

/** Who a handler is to the statements that take over jobs under way. */
export function adopterOf(context: HandlerContext): Adopter {
  const { config, incarnationId, runDirectoryId, runners, tags } = context;
  const cluster = [...runners.values()].filter(({ reach }) => reach === "cluster");
  return {
    incarnationId,
    serverName: config.serverName,
    hostname: hostname(),
    bootId: bootId(),
    runDirectoryId,
    tags,
    runners: [...runners.keys()],
    clusterRunners: cluster.map(({ name }) => name),
    limit: adoptionBatch,
  };
}
