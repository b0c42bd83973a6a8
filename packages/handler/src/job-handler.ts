import { Loop, type Destination, type GalaxyConfig, type Logger, type Service } from "@galaxy-jobs/runtime";
import {
  assignJobIfUnassigned,
  channels,
  jobsOnOffer,
  jobsToStop,
  notify,
  offerUnassignedJobs,
  pauseJobIfClaimed,
  releaseJobsIfDrained,
  requeueJobIfNotStarted,
  takeHandedJobs,
  type Database,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { ToolExpressionError, type Tool, type ToolBox } from "@galaxy-jobs/tools";
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { atStep, type Fault } from "./fault-points.ts";
import type { HandlerContext } from "./handler-context.ts";
import { HandlerHints } from "./handler-hints.ts";
import { JobEvents, logJobEvents } from "./job-events.ts";
import { JobsInHand, type JobInHand } from "./jobs-in-hand.ts";
import type { Lease } from "./lease/lease.ts";
import { join, leave, makeContext } from "./membership.ts";
import { hasConcurrencyLimits } from "./limits/limit-book.ts";
import { QueueGate } from "./queue-gate.ts";
import type { RunUnderWay } from "./stages/await-begin.ts";
import { admit, toolGoneInfo, type Admission } from "./stages/admit.ts";
import { claim } from "./stages/claim.ts";
import { cleanUp } from "./stages/clean-up.ts";
import { fail, finish, readEnding } from "./stages/finish.ts";
import { RunMonitor } from "./stages/monitor.ts";
import { prepare, type Preparation } from "./stages/prepare.ts";
import { recover } from "./stages/recover.ts";
import { resubmit } from "./stages/resubmit.ts";
import { run } from "./stages/run.ts";
import { runnerOf } from "./stages/runner-of.ts";
import { sendOn } from "./stages/send-on.ts";
import { stop } from "./stages/stop.ts";
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
  /** Somebody else took over this handler's jobs or name: the process must end. */
  readonly onFenced: (error: Error) => void;
  /** Armed in tests. */
  readonly fault?: Fault | undefined;
}

/**
 * The conductor: owns the loops of a handler and knows the order of a job's stages; what a stage does is in `stages/`.
 * Each claimed job is one short pipeline (`#handle`); whichever guarded write finds that the job is no longer this handler's
 * ends it. Running jobs are not ended by a stop of the handler: a neighbour or its next start finds them again.
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

  constructor(options: JobHandlerOptions) {
    this.#options = options;
    // One listener for each run.
    setMaxListeners(0, this.#leaving.signal);
    this.#limited = hasConcurrencyLimits(options.config.jobs);
    const onError = (at: string) => (error: unknown) => this.events.emit("trouble", { at, error });
    this.#claims = new Loop({ name: "claims", work: () => this.#claimRound(), onError: onError("claim") });
    this.#stops = new Loop({ name: "stops", work: () => this.#stopRound(), onError: onError("stop") });
    this.#offers = new Loop({ name: "offers", work: () => this.#offerRound(), onError: onError("offer") });
    this.#limits = new Loop({ name: "limits", work: () => this.#limitRound(), onError: onError("monitor") });
    this.#loops = [this.#offers, this.#claims];
    this.#inHand = new JobsInHand({
      onTrouble: (hand, error) => this.#onTrouble(hand, error),
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
    this.#gate = new QueueGate(context, onError("queue"));
    this.#takeOver = new TakeOver(context, {
      adopted: (job) => this.#takeAdopted(context, job),
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
    this.#monitor = new RunMonitor(context);
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
    await this.#takeOver?.stop();
    await this.#gate?.stop();
    if (this.#options.config.handlerStop === "wait" && this.#lease?.fenced === false)
      await this.#waitForRuns();
    this.#leaving.abort();
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
    if (context !== undefined && this.#lease?.fenced === false) await leave(context);
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

  async #claimRound(): Promise<number> {
    const context = this.#context!;
    const gate = this.#gate!;
    await context.lease.whenHeld();
    const pause = context.config.jobHandlerMonitorSleep * 1000;
    const free = this.#freeWorkers();
    if (free <= 0 || this.#inHand.size >= mostInHand) return pause;
    const jobs = await claim(context, context.database, free, {
      users: gate.crowdedUsers(context.config.jobs.readyWindowSize),
      tools: gate.crowdedTools(),
      suspects: this.#inHand.hasSuspect,
    });
    const rest = context.cursor.pause(pause, performance.now());
    if (jobs.length === 0) return rest;
    this.events.emit("claimed", { jobs: jobs.map(({ id }) => id) });
    for (const job of jobs) this.#inHand.take(job, (hand) => this.#handle(context, hand));
    return jobs.length < free ? rest : 0;
  }

  /** Jobs that change hands by other ways than a claim: lost messages, a drain, a hand-over. */
  async #offerRound(): Promise<number> {
    const context = this.#context!;
    const { config, database, incarnationId, tags } = context;
    await context.lease.whenHeld();
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
      for (const job of await takeHandedJobs(database, adopterOf(context))) this.#takeAdopted(context, job);
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

  /** The path of a job, from its claim to its end. */
  async #handle(context: HandlerContext, hand: JobInHand): Promise<void> {
    const { job } = hand;
    const { database } = context;
    const turn = await this.#awaitTurn(context, hand);
    if (turn === undefined) return;
    const { admission, destination } = turn;
    this.events.emit("queued", {
      job: job.id,
      fence: job.fence,
      runner: destination.runner,
      destination: destination.id,
    });
    const preparation = await this.#prepare(context, hand, admission, destination);
    if (preparation === undefined) return;
    if (this.#stopping.signal.aborted) return this.#giveBack(context, hand, preparation);
    hand.run = preparation.run;
    const started = await run(context, database, job, preparation);
    if (started === undefined) return this.#letGo(context, hand);
    await this.#follow(context, hand, admission.tool, started);
  }

  /** From the claim to `queued`. @returns undefined when the job was paused, failed or let go instead */
  async #awaitTurn(
    context: HandlerContext,
    hand: JobInHand,
  ): Promise<{ admission: Admission & { verdict: "go" }; destination: Destination } | undefined> {
    const { job } = hand;
    const { database } = context;
    while (!this.#stopping.signal.aborted) {
      const admission = await context.untilWritten("admit", job.id, () => admit(context, database, job));
      if (admission.verdict === "fail") {
        if (!(await fail(context, database, job, admission))) await this.#letGo(context, hand);
        return undefined;
      }
      if (admission.verdict === "pause") {
        if (await pauseJobIfClaimed(database, job, admission.info))
          this.events.emit("paused", { job: job.id, info: admission.info });
        else await this.#letGo(context, hand);
        return undefined;
      }
      const answer = await this.#enterGate(context, job, admission);
      if (typeof answer === "object" && "destination" in answer) {
        return { admission, destination: answer.destination };
      }
      if (typeof answer === "object") {
        if (!(await fail(context, database, job, answer))) await this.#letGo(context, hand);
        return undefined;
      }
      if (answer === "lost") await this.#letGo(context, hand);
      if (answer !== "again") return undefined;
    }
    return undefined;
  }

  /** Maps the job to its destination and waits for its turn there. */
  async #enterGate(
    context: HandlerContext,
    job: JobRow,
    { tool, inputs }: Admission & { verdict: "go" },
  ): Promise<
    | { destination: Destination }
    | { info: string; traceback?: string }
    | "lost"
    | "again"
    | "stopped"
    | "given-back"
  > {
    const gate = this.#gate!;
    const request = { job, tool, inputs, wanted: job.wantedDestination ?? undefined };
    const mapping = await gate.decide(job, () =>
      context.untilWritten("destination", job.id, () => context.mapper.map(request)),
    );
    if (mapping.verdict === "fail") {
      if (mapping.traceback !== undefined)
        this.events.emit("trouble", { at: "destination", job: job.id, error: mapping.traceback });
      return mapping;
    }
    if (mapping.verdict === "wait") return this.#park(job, mapping.reason);
    const { destination, reason } = mapping;
    if (!context.runners.has(destination.runner)) {
      const sent = await sendOn(context, context.database, job, destination);
      if (sent.verdict === "fail") return sent;
      if (sent.verdict === "wait") return this.#park(job, sent.reason);
      gate.avoid(job.toolId);
      this.events.emit("sent_on", { job: job.id, runner: destination.runner });
      return "given-back";
    }
    const answer = await gate.enter(job, destination, reason);
    return answer === "queued" ? { destination } : answer;
  }

  async #park(job: JobRow, reason: string): Promise<"lost" | "again" | "given-back" | "stopped"> {
    const answer = await this.#gate!.park(job, reason);
    return answer === "queued" ? "again" : answer;
  }

  async #prepare(
    context: HandlerContext,
    hand: JobInHand,
    admission: { tool: Tool; inputs: Parameters<typeof prepare>[3] },
    destination: Destination,
  ): Promise<Preparation | undefined> {
    try {
      return await prepare(context, hand.job, admission.tool, admission.inputs, destination);
    } catch (error) {
      const info =
        error instanceof ToolExpressionError ? error.message : `failure preparing job: ${messageOf(error)}`;
      const traceback = error instanceof Error && error.stack !== undefined ? error.stack : String(error);
      if (!(await fail(context, context.database, hand.job, { info, traceback })))
        await this.#letGo(context, hand);
      return undefined;
    }
  }

  /** Waits for a run's end and writes it. A handler that stops meanwhile leaves the run alone. */
  async #follow(
    context: HandlerContext,
    hand: JobInHand,
    tool: Tool | undefined,
    underWay: RunUnderWay,
  ): Promise<void> {
    const watched = this.#monitor!.watch(hand.job, hand.run!, tool, underWay);
    const end = await orAborted(watched, this.#leaving.signal);
    if (end === undefined) return;
    const prepared = hand.run!;
    if (tool === undefined) {
      await fail(context, context.database, hand.job, { info: toolGoneInfo });
      return;
    }
    const ending = await atStep(
      context.fault,
      "collect.streams",
      () => readEnding(context, hand.job, prepared, end),
      hand.job.toolId,
    );
    const next = await context.untilWritten("resubmit", hand.job.id, () =>
      atStep(
        context.fault,
        "resubmit",
        () => resubmit(context, context.database, hand.job, prepared, ending),
        hand.job.toolId,
      ),
    );
    if (next === "lost") return this.#letGo(context, hand);
    if (next === "resubmitted") return cleanUp(context, prepared, "error");
    const state = await context.untilWritten("collect", hand.job.id, () =>
      finish(context, context.database, hand.job, tool, prepared, ending),
    );
    if (state === undefined) return this.#letGo(context, hand);
    await cleanUp(context, prepared, state);
  }

  /** A guarded write found the job changed: either its deletion was asked for, or somebody else owns it now. */
  async #letGo(context: HandlerContext, hand: JobInHand): Promise<void> {
    const requests = await context.untilWritten("stop", hand.job.id, () =>
      jobsToStop(context.database, context.incarnationId),
    );
    const mine = requests.some(({ id, fence }) => id === hand.job.id && fence === hand.job.fence);
    if (!mine) return;
    const carryOut = () => stop(context, context.database, hand.job, hand.run);
    await this.#stopRequests.carryOut(hand.job.id, carryOut, this.#leaving.signal);
  }

  /** A handler that stops does not start what it has prepared. */
  async #giveBack(
    context: HandlerContext,
    { job }: JobInHand,
    { run: prepared }: Preparation,
  ): Promise<void> {
    const { database, fault } = context;
    const mine = await context.untilWritten("give-back", job.id, () =>
      atStep(fault, "give-back", () => requeueJobIfNotStarted(database, job)),
    );
    if (mine) this.events.emit("released", { jobs: 1 });
    await cleanUp(context, prepared, "deleted");
  }

  /** A run that another process started holds a worker here from now on, like one that was started here. */
  #takeAdopted(context: HandlerContext, job: JobRow): void {
    const hold = () => {
      if (job.runFence !== null && job.jobRunnerName !== null) this.#gate!.hold(job.id, job.jobRunnerName);
    };
    hold();
    this.#inHand.take(job, async (hand) => {
      // Once more: an earlier pipeline of this job may have let go of it meanwhile.
      hold();
      const recovered = await recover(context, context.database, job);
      if (recovered === undefined) return;
      hand.run = recovered.run;
      await this.#follow(context, hand, recovered.tool, recovered);
    });
  }

  async #onTrouble(hand: JobInHand, error: unknown): Promise<void> {
    // A stopping handler leaves its unfinished work for its next start or a neighbour; a fenced one has none.
    if (this.#leaving.signal.aborted || this.#lease?.fenced === true) return;
    this.events.emit("trouble", { at: "job", job: hand.job.id, error });
    const context = this.#context;
    if (context === undefined) return;
    const traceback = error instanceof Error && error.stack !== undefined ? error.stack : String(error);
    const info = `The job could not be handled: ${messageOf(error)}`;
    await fail(context, context.database, hand.job, { info, traceback }).catch((failure: unknown) => {
      this.events.emit("trouble", { at: "fail", job: hand.job.id, error: failure });
    });
  }

  /** Jobs it could start if they were here: workers that are free and have no claimed job on the way to them. */
  #freeWorkers(): number {
    const workers = [...this.#context!.runners.values()].reduce((sum, { slots }) => sum + slots, 0);
    return workers - (this.#inHand.size - this.#gate!.refused);
  }
}

/** What a promise resolves to, or undefined when the signal is aborted first. Leaves no listener behind. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  let abort: (() => void) | undefined;
  const aborted = new Promise<undefined>((resolve) => {
    abort = () => resolve(undefined);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort!);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
