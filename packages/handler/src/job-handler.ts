import { Loop, type GalaxyConfig, type Logger, type Service } from "@galaxy-jobs/runtime";
import {
  assignJobIfUnassigned,
  channels,
  jobsOnOffer,
  jobsToStop,
  notify,
  offerUnassignedJobs,
  openLine,
  releaseJobsIfDrained,
  takeHandedJobs,
  type Database,
  type ExpressRoute,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import type { ToolBox } from "@galaxy-jobs/tools";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "./fault-points.ts";
import type { HandlerContext } from "./handler-context.ts";
import { HandlerHints } from "./handler-hints.ts";
import { JobEvents, logJobEvents } from "./job-events.ts";
import { JobPath } from "./job-path.ts";
import { JobsInHand, type JobInHand } from "./jobs-in-hand.ts";
import type { Lease } from "./lease/lease.ts";
import { hasConcurrencyLimits } from "./limits/limit-book.ts";
import { join, leave, makeContext } from "./membership.ts";
import { QueueGate } from "./queue-gate.ts";
import { claim, claimLimit } from "./stages/claim.ts";
import { RunMonitor } from "./stages/monitor.ts";
import { runnerOf } from "./stages/runner-of.ts";
import { StopRequests } from "./stop-requests.ts";
import { adopterOf, TakeOver } from "./take-over.ts";

/** A message to a mule may take so long before its job is offered to all, seconds. */
const messageAge = 5;
/** Jobs that wait in hand at most; the rest stays with the pool. */
const mostInHand = 10_000;
/** What a stop that waits for running jobs leaves of monitor_thread_join_timeout for the rest of the stop, ms. */
const stopReserve = 5_000;
/** Between two looks for stop requests while jobs are in hand, ms; a notification is quicker. */
const stopPoll = 1_000;

export interface JobHandlerOptions {
  readonly config: GalaxyConfig;
  readonly database: Database;
  readonly toolBox: () => ToolBox;
  readonly logger: Logger;
  /** Tags it takes jobs of, besides those assigned to its name. */
  readonly tags: readonly string[];
  /** Somebody else took over this handler's jobs or name, or is about to: the process must end. */
  readonly onLeaseLost: (error: Error) => void;
  /** Armed in tests. */
  readonly fault?: Fault | undefined;
}

/**
 * Owns the loops of a handler and the jobs that it has in hand; `JobPath` takes each from stage to stage. Running jobs are not
 * ended by a stop of the handler: a neighbour or its next start finds them again.
 */
export class JobHandler implements Service {
  readonly name = "job-handler";
  readonly events = new JobEvents();
  readonly #options: JobHandlerOptions;
  readonly #inHand: JobsInHand;
  readonly #stopRequests = new StopRequests(this.events);
  /** Nothing new is begun. */
  readonly #stopping = new AbortController();
  /** What runs is left. */
  readonly #leaving = new AbortController();
  readonly #loops: Loop[];
  readonly #claims: Loop;
  readonly #stops: Loop;
  readonly #offers: Loop;
  readonly #limits: Loop;
  readonly #limited: boolean;
  #lease: Lease | undefined;
  #takeOver: TakeOver | undefined;
  #gate: QueueGate | undefined;
  #monitor: RunMonitor | undefined;
  #hints: HandlerHints | undefined;
  #context: HandlerContext | undefined;
  /** For claims. */
  #line: Database | undefined;
  #path: JobPath | undefined;

  constructor(options: JobHandlerOptions) {
    this.#options = options;
    this.#limited = hasConcurrencyLimits(options.config.jobs);
    const onError = (at: string) => (error: unknown) => this.events.emit("trouble", { at, error });
    this.#claims = new Loop({
      name: "claims",
      work: (stop) => this.#claimRound(stop),
      onError: onError("claim"),
    });
    this.#stops = new Loop({ name: "stops", work: () => this.#stopRound(), onError: onError("stop") });
    this.#offers = new Loop({
      name: "offers",
      work: (stop) => this.#offerRound(stop),
      onError: onError("offer"),
    });
    this.#limits = new Loop({ name: "limits", work: () => this.#limitRound(), onError: onError("monitor") });
    this.#loops = [this.#offers, this.#claims];
    this.#inHand = new JobsInHand({
      onTrouble: async (hand, error) => {
        // A stopping handler leaves its unfinished work for its next start or a neighbour; one that lost its lease has none.
        if (this.#leaving.signal.aborted || this.#lease?.lost === true) return;
        this.events.emit("trouble", { at: "job", job: hand.job.id, error });
        await this.#path?.giveUp(hand, error);
      },
      onLeft: ({ id }) => {
        this.#gate?.leave(id);
        this.#claims.wake();
        if (this.#limited) this.#hints?.slotFreed();
      },
    });
    logJobEvents(this.events, options.logger);
  }

  async start(): Promise<void> {
    const { tags } = this.#options;
    const lease = await join(this.#options, this.events);
    this.#lease = lease;
    await lease.start();
    const context = await makeContext(this.#options, this.events, lease, this.#leaving.signal);
    const onError = (at: string) => (error: unknown) => this.events.emit("trouble", { at, error });
    this.#context = context;
    this.#line = openLine(context.database);
    this.#gate = new QueueGate(context, onError("queue"));
    this.#takeOver = new TakeOver(context, {
      adopted: (job) => this.#takeAdopted(job),
      onError: onError("take-over"),
    });
    this.#hints = new HandlerHints(context, {
      newJobs: () => this.#claims.wake(),
      stopRequests: () => this.#stops.wake(),
      freeSlots: () => this.#gate?.wake(),
      handlersChanged: () => {
        this.#gate?.recheck();
        this.#offers.wake();
        this.#claims.wake();
      },
    });
    const monitor = new RunMonitor(context);
    this.#monitor = monitor;
    const gate = this.#gate;
    this.#path = new JobPath({
      context,
      gate,
      monitor,
      stopRequests: this.#stopRequests,
      onRunEnded: (jobId) => {
        gate.runEnded(jobId);
        this.#claims.wake();
      },
      stopping: this.#stopping.signal,
      leaving: this.#leaving.signal,
    });
    this.events.emit("registered", { incarnation: context.incarnationId, tags });
    await this.#takeOver.start();
    await this.#gate.start();
    await this.#stops.start();
    await this.#limits.start();
    for (const loop of this.#loops) await loop.start();
    await this.#hints.start();
  }

  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    await this.#hints?.stop();
    for (const loop of this.#loops.toReversed()) await loop.stop();
    await this.#line?.end({ timeout: 5 });
    await this.#takeOver?.stop();
    await this.#gate?.stop();
    if (this.#options.config.handlerStop === "wait" && this.#lease?.lost === false) await this.#waitForRuns();
    this.#leaving.abort();
    this.#inHand.leaveRuns();
    for (const runner of this.#context?.runners.values() ?? []) runner.leave?.();
    this.#lease?.giveUp();
    await this.#stops.stop();
    await this.#limits.stop();
    const context = this.#context;
    await context?.mapper.close();
    await this.#inHand.settled();
    await this.#stopRequests.settled();
    for (const runner of context?.runners.values() ?? []) await runner.close();
    await context?.sandbox.close();
    if (context !== undefined && this.#lease?.lost === false) await leave(context);
    await this.#lease?.stop();
  }

  /** As long as the stop of the daemon may take. */
  async #waitForRuns(): Promise<void> {
    const patience = this.#options.config.monitorThreadJoinTimeout * 1000 - stopReserve;
    if (patience <= 0) return;
    const over = new AbortController();
    await Promise.race([
      this.#inHand.settled(),
      sleep(patience, undefined, { signal: over.signal }).catch(() => undefined),
    ]);
    over.abort();
  }

  /**
   * A job was given to this handler by a message, or in memory, where its row names the handler already.
   * A drained handler offers it to the others of its tag.
   * @returns whether somebody has it now who had not; a database that is away is waited for
   */
  async take(jobId: number): Promise<boolean> {
    const { database, config } = this.#options;
    try {
      const context = this.#context;
      if (context === undefined) return false;
      const owner = await context.untilWritten("take", jobId, () =>
        assignJobIfUnassigned(database, jobId, config.serverName),
      );
      this.#claims.wake();
      if (owner !== undefined && owner !== config.serverName) await notify(database, channels.newJobs, owner);
      return owner !== undefined;
    } catch (error) {
      this.events.emit("trouble", { at: "take", job: jobId, error });
      return false;
    }
  }

  async #claimRound(stopping: AbortSignal): Promise<number> {
    const context = this.#context!;
    const gate = this.#gate!;
    await context.lease.whenHeld(stopping);
    const pause = context.config.jobHandlerMonitorSleep * 1000;
    const room = this.#room();
    const free = this.#canTake(room);
    if (free <= 0 || this.#inHand.size >= mostInHand) return pause;
    const enough = {
      users: gate.crowdedUsers(context.config.jobs.readyWindowSize),
      tools: gate.crowdedTools(),
      suspects: this.#inHand.hasSuspect,
    };
    const jobs = await claim(context, this.#line!, free, enough, this.#openRoutes(room, free));
    const rest = context.cursor.pause(pause, performance.now());
    if (jobs.length === 0) return rest;
    this.events.emit("claimed", { jobs: jobs.map(({ id }) => id) });
    for (const job of jobs) {
      const takePlace = () => {
        if (job.state === "queued") gate.workers.queue(job, job.jobRunnerName!);
      };
      this.#take(job, takePlace, (hand) => this.#path!.follow(hand));
    }
    return jobs.length < claimLimit(context.config, free) ? rest : 0;
  }

  /** Jobs that change hands by other ways than a claim: lost messages, a drain, a hand-over. */
  async #offerRound(stopping: AbortSignal): Promise<number> {
    const context = this.#context!;
    const { config, database, incarnationId, tags } = context;
    await context.lease.whenHeld(stopping);
    const me = { incarnationId, serverName: config.serverName };
    const found = await jobsOnOffer(database, { ...me, tags, messageAge });
    if (found.unassigned && (await offerUnassignedJobs(database, tags, messageAge)) > 0) this.#claims.wake();
    if (found.drained) {
      const released = await releaseJobsIfDrained(database, me);
      this.events.emit("released", { jobs: released.jobs });
      this.#gate!.recheck();
      for (const name of released.names) await notify(database, channels.newJobs, name);
    }
    if (found.handed)
      for (const job of await takeHandedJobs(database, adopterOf(context))) this.#takeAdopted(job);
    return messageAge * 1000;
  }

  async #stopRound(): Promise<number> {
    const context = this.#context!;
    if (this.#inHand.size === 0) return stopPoll;
    await context.lease.whenHeld();
    for (const { id, fence } of await jobsToStop(context.database, context.incarnationId)) {
      const hand = this.#inHand.get(id);
      this.#gate!.remove(id);
      // With nothing started the pipeline meets the request at its next write.
      if (hand?.run === undefined || hand.job.fence !== fence) continue;
      const { run: started } = hand;
      this.#stopRequests.begin(id, () => runnerOf(context, started.destination.runner).stop(started));
    }
    return stopPoll;
  }

  async #limitRound(): Promise<number> {
    const context = this.#context!;
    await context.lease.whenHeld();
    await this.#monitor!.look();
    return context.config.jobRunnerMonitorSleep * 1000;
  }

  /** A run that another process started holds a worker here from now on, like one that was started here. */
  #takeAdopted(job: JobRow): void {
    const hold = () => {
      if (job.runFence !== null && job.jobRunnerName !== null)
        this.#gate!.workers.hold(job.id, job.jobRunnerName);
    };
    this.#take(job, hold, (hand) => this.#path!.followAdopted(hand));
  }

  /** Takes a job in hand, with its place among the workers. */
  #take(job: JobRow, takePlace: () => void, pipeline: (hand: JobInHand) => Promise<void>): void {
    takePlace();
    this.#inHand.take(job, (hand) => {
      // Once more: an earlier pipeline of this job may have let go of it meanwhile.
      takePlace();
      return pipeline(hand);
    });
  }

  /**
   * Jobs that each runner can take. Ahead of their workers only those that the claim itself queues: the others would be looked at all at once,
   * and each of them be suspect if this process died over it.
   */
  #room(): ReadonlyMap<string, number> {
    const { workers } = this.#gate!;
    return this.#context!.express.coverAll(performance.now()) ? workers.room() : workers.free();
  }

  /** The routes by which a claim may queue its jobs at once: also when all that is on its way gets there first. */
  #openRoutes(room: ReadonlyMap<string, number>, free: number): ExpressRoute[] {
    const { config, express } = this.#context!;
    return express.routes(room, claimLimit(config, free) + this.#onTheirWay());
  }

  /** Jobs that could be queued at once if they were here. */
  #canTake(room: ReadonlyMap<string, number>): number {
    const sum = [...room.values()].reduce((all, own) => all + own, 0);
    return sum - (this.#onTheirWay() - this.#gate!.refused);
  }

  /** Jobs in hand that have no worker yet and wait for none. */
  #onTheirWay(): number {
    return this.#inHand.size - this.#gate!.workers.size;
  }
}
