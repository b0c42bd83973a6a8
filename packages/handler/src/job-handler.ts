import { Loop, type Destination, type GalaxyConfig, type Logger, type Service } from "@galaxy-jobs/runtime";
import {
  channels,
  assignJobIfUnassigned,
  endIncarnation,
  heartbeatIfLive,
  isConnectionError,
  isPassingConflict,
  jobsToStop,
  notify,
  offerUnassignedJobs,
  pauseJobIfClaimed,
  releaseNewJobsOf,
  type Database,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { ExpressionSandbox, ToolExpressionError, type Tool, type ToolBox } from "@galaxy-jobs/tools";
import { setTimeout as sleep } from "node:timers/promises";
import type { HandlerContext } from "./handler-context.ts";
import { registerHandler } from "./incarnation.ts";
import { DestinationMapper } from "./destinations/map-destination.ts";
import { JobEvents, logJobEvents } from "./job-events.ts";
import { hasConcurrencyLimits } from "./limits/limit-book.ts";
import { QueueGate } from "./queue-gate.ts";
import { makeRunners } from "./runners/make-runners.ts";
import type { PreparedRun, RunEnd } from "./runners/runner.ts";
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

/** Between two heartbeats, ms. */
const heartbeatInterval = 5_000;
/** A message to a mule may take so long before its job is offered to all, seconds. */
const messageAge = 5;
/** Jobs that wait in hand at most; the rest stays with the pool. */
const mostInHand = 10_000;
/** Other handlers are told at most this often that slots became free, ms. */
const slotHintInterval = 50;
/** Between two looks for stop requests while jobs are in hand, ms; a notification is quicker. */
const stopPoll = 1_000;

export interface JobHandlerOptions {
  readonly config: GalaxyConfig;
  readonly database: Database;
  readonly toolBox: () => ToolBox;
  readonly logger: Logger;
  /** Tags it takes jobs of, besides those assigned to its name. */
  readonly tags: readonly string[];
  /** Somebody else took over this handler's name: the process must end. */
  readonly onFenced: (error: Error) => void;
}

interface JobInHand {
  readonly job: JobRow;
  run: PreparedRun | undefined;
  readonly done: Promise<void>;
}

/**
 * The conductor: owns the loops of a handler and knows the order of a job's stages; what a stage does is in `stages/`.
 * Each claimed job is one short pipeline (`#handle`); whichever guarded write finds that the job is no longer this handler's
 * ends it. Running jobs are not ended by a stop of the handler: its next start finds them again.
 */
export class JobHandler implements Service {
  readonly name = "job-handler";
  readonly events = new JobEvents();
  readonly #options: JobHandlerOptions;
  readonly #inHand = new Map<number, JobInHand>();
  readonly #stopping = new AbortController();
  readonly #loops: Loop[];
  readonly #claims: Loop;
  readonly #stops: Loop;
  readonly #limited: boolean;
  #gate: QueueGate | undefined;
  #monitor: RunMonitor | undefined;
  #slotHint: NodeJS.Timeout | undefined;
  #context: HandlerContext | undefined;
  #listeners: { unlisten(): Promise<void> }[] = [];

  constructor(options: JobHandlerOptions) {
    this.#options = options;
    this.#limited = hasConcurrencyLimits(options.config.jobs);
    const onError = (at: string) => (error: unknown) => this.events.emit("trouble", { at, error });
    this.#claims = new Loop({ name: "claims", work: () => this.#claimRound(), onError: onError("claim") });
    this.#stops = new Loop({ name: "stops", work: () => this.#stopRound(), onError: onError("stop") });
    const heartbeats = new Loop({
      name: "heartbeats",
      work: () => this.#heartbeatRound(),
      onError: onError("heartbeat"),
    });
    const offers = new Loop({ name: "offers", work: () => this.#offerRound(), onError: onError("offer") });
    const limits = new Loop({ name: "limits", work: () => this.#limitRound(), onError: onError("monitor") });
    this.#loops = [heartbeats, this.#stops, limits, offers, this.#claims];
    logJobEvents(this.events, options.logger);
  }

  async start(): Promise<void> {
    const { config, database, tags, toolBox } = this.#options;
    const incarnationId = await registerHandler(database, config, tags);
    const runners = makeRunners(config, (error) => this.events.emit("trouble", { at: "watch", error }));
    const mapper = new DestinationMapper({
      config,
      database,
      serves: (runner) => runners.has(runner),
      onOutput: (destination, line) => this.events.emit("rule_said", { destination, line }),
    });
    this.#context = {
      config,
      database,
      toolBox,
      tags,
      incarnationId,
      sandbox: new ExpressionSandbox(),
      mapper,
      runners,
      events: this.events,
      untilWritten: (at, job, write) => this.#untilWritten(at, job, write),
    };
    this.#gate = new QueueGate(this.#context, (error) => this.events.emit("trouble", { at: "queue", error }));
    this.#monitor = new RunMonitor(this.#context);
    this.events.emit("registered", { incarnation: incarnationId, tags });
    if (config.enableJobRecovery) await this.#recover();
    await this.#gate.start();
    for (const loop of this.#loops) await loop.start();
    this.#listeners = await this.#listen();
  }

  async stop(): Promise<void> {
    const context = this.#context;
    if (context === undefined || this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    for (const listener of this.#listeners) await listener.unlisten().catch(() => undefined);
    for (const loop of this.#loops.toReversed()) await loop.stop();
    await this.#gate?.stop();
    await context.mapper.close();
    clearTimeout(this.#slotHint);
    await Promise.allSettled([...this.#inHand.values()].map(({ done }) => done));
    for (const runner of context.runners.values()) await runner.close();
    await context.sandbox.close();
    try {
      const jobs = await releaseNewJobsOf(context.database, context.incarnationId);
      if (jobs > 0) this.events.emit("released", { jobs });
      await endIncarnation(context.database, context.incarnationId, "stopped");
    } catch (error) {
      // The database is away: the next start of this name takes over what is left.
      this.events.emit("trouble", { at: "deregister", error });
    }
  }

  /**
   * A job was given to this handler by a message, or in memory, where its row names the handler already.
   * @returns whether it is this handler's; a database that is away is waited for
   */
  async take(jobId: number): Promise<boolean> {
    const { database, config } = this.#options;
    try {
      const mine = await this.#untilWritten("take", jobId, () =>
        assignJobIfUnassigned(database, jobId, config.serverName),
      );
      this.#claims.wake();
      return mine;
    } catch (error) {
      this.events.emit("trouble", { at: "take", job: jobId, error });
      return false;
    }
  }

  async #claimRound(): Promise<number> {
    const context = this.#context!;
    const gate = this.#gate!;
    const pause = context.config.jobHandlerMonitorSleep * 1000;
    const free = this.#freeWorkers();
    if (free <= 0 || this.#inHand.size >= mostInHand) return pause;
    const jobs = await claim(context, context.database, free, {
      users: gate.crowdedUsers(context.config.jobs.readyWindowSize),
      tools: gate.crowdedTools(),
    });
    if (jobs.length === 0) return pause;
    this.events.emit("claimed", { jobs: jobs.map(({ id }) => id) });
    for (const job of jobs) this.#take(job, (hand) => this.#handle(context, hand));
    return jobs.length < free ? pause : 0;
  }

  async #offerRound(): Promise<number> {
    const { database, tags } = this.#context!;
    if (tags.length > 0 && (await offerUnassignedJobs(database, tags, messageAge)) > 0) this.#claims.wake();
    return messageAge * 1000;
  }

  async #stopRound(): Promise<number> {
    const context = this.#context!;
    if (this.#inHand.size === 0) return stopPoll;
    for (const { id, fence } of await jobsToStop(context.database, context.incarnationId)) {
      const hand = this.#inHand.get(id);
      this.#gate!.remove(id);
      // With nothing started the pipeline meets the request at its next write.
      if (hand?.run === undefined || hand.job.fence !== fence) continue;
      await runnerOf(context, hand.run.destination.runner).stop(hand.run);
    }
    return stopPoll;
  }

  async #limitRound(): Promise<number> {
    await this.#monitor!.look();
    return this.#context!.config.jobRunnerMonitorSleep * 1000;
  }

  async #heartbeatRound(): Promise<number> {
    const context = this.#context!;
    if (await heartbeatIfLive(context.database, context.incarnationId)) return heartbeatInterval;
    this.events.emit("fenced", { incarnation: context.incarnationId });
    this.#options.onFenced(
      new Error(
        `another process has taken over the server name ${context.config.serverName}: this one was out of touch with the database too long`,
      ),
    );
    return Number.POSITIVE_INFINITY;
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
    hand.run = preparation.run;
    const started = await run(context, database, job, preparation);
    if (started === undefined) return this.#letGo(context, hand);
    await this.#follow(context, hand, admission.tool, started.ended);
  }

  /** From the claim to `queued`. @returns undefined when the job was paused, failed or let go instead */
  async #awaitTurn(
    context: HandlerContext,
    hand: JobInHand,
  ): Promise<{ admission: Admission & { verdict: "go" }; destination: Destination } | undefined> {
    const { job } = hand;
    const { database } = context;
    while (!this.#stopping.signal.aborted) {
      const admission = await admit(context, database, job);
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

  async #park(job: JobRow, reason: string): Promise<"lost" | "again" | "stopped"> {
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
    ended: Promise<RunEnd>,
  ): Promise<void> {
    const watched = this.#monitor!.watch(hand.job, hand.run!, tool, ended);
    const end = await Promise.race([watched, aborted(this.#stopping.signal)]);
    if (end === undefined) return;
    const prepared = hand.run!;
    if (tool === undefined) {
      await fail(context, context.database, hand.job, { info: toolGoneInfo });
      return;
    }
    const ending = await readEnding(hand.job, prepared, end);
    const next = await context.untilWritten("resubmit", hand.job.id, () =>
      resubmit(context, context.database, hand.job, prepared, ending),
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
    if (mine) await stop(context, context.database, hand.job, hand.run);
  }

  async #recover(): Promise<void> {
    const context = this.#context!;
    for (const { job, tool, run: prepared, ended } of await recover(context, context.database)) {
      this.#take(job, (hand) => {
        hand.run = prepared;
        this.#gate!.hold(job.id, prepared.destination.runner);
        return this.#follow(context, hand, tool, ended);
      });
    }
  }

  /** Puts a job in hand for as long as its pipeline lasts. One job's trouble touches no other. */
  #take(job: JobRow, pipeline: (hand: JobInHand) => Promise<void>): void {
    let hand: JobInHand;
    // A job that this handler has just put back, and takes again, still has the last steps of its earlier attempt to go.
    const before = this.#inHand.get(job.id)?.done ?? Promise.resolve();
    const done = before
      .then(() => pipeline(hand))
      .catch((error: unknown) => this.#onTrouble(hand, error))
      .finally(() => {
        if (this.#inHand.get(job.id) === hand) this.#inHand.delete(job.id);
        this.#gate!.leave(job.id);
        this.#claims.wake();
        this.#hintSlots();
      });
    hand = { job, run: undefined, done };
    this.#inHand.set(job.id, hand);
  }

  async #onTrouble(hand: JobInHand, error: unknown): Promise<void> {
    // A stopping handler leaves its unfinished work for its next start.
    if (this.#stopping.signal.aborted) return;
    this.events.emit("trouble", { at: "job", job: hand.job.id, error });
    const context = this.#context;
    if (context === undefined) return;
    const traceback = error instanceof Error && error.stack !== undefined ? error.stack : String(error);
    const info = `The job could not be handled: ${messageOf(error)}`;
    await fail(context, context.database, hand.job, { info, traceback }).catch((failure: unknown) => {
      this.events.emit("trouble", { at: "fail", job: hand.job.id, error: failure });
    });
  }

  async #untilWritten<T>(at: string, job: number, write: () => Promise<T>): Promise<T> {
    for (let wait = 50; ; wait = Math.min(wait * 2, 2000)) {
      try {
        return await write();
      } catch (error) {
        if (!isConnectionError(error) && !isPassingConflict(error)) throw error;
        this.events.emit("trouble", { at, job, error });
        if (this.#stopping.signal.aborted) throw error;
        await sleep(wait, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }

  /** Jobs it could start if they were here: workers that are free and have no claimed job on the way to them. */
  #freeWorkers(): number {
    const workers = [...this.#context!.runners.values()].reduce((sum, { slots }) => sum + slots, 0);
    return workers - (this.#inHand.size - this.#gate!.refused);
  }

  /** Jobs of other handlers may wait for the slot of one that ended here. */
  #hintSlots(): void {
    const context = this.#context;
    if (!this.#limited || this.#slotHint !== undefined || context === undefined) return;
    if (this.#stopping.signal.aborted) return;
    this.#slotHint = setTimeout(() => {
      this.#slotHint = undefined;
      notify(context.database, channels.freeSlots, "").catch((error: unknown) =>
        this.events.emit("trouble", { at: "hint", error }),
      );
    }, slotHintInterval);
  }

  /** Notifications only wake the loops, which poll anyway. */
  async #listen(): Promise<{ unlisten(): Promise<void> }[]> {
    const { config, database, tags } = this.#options;
    const mine = new Set([config.serverName, ...tags]);
    return Promise.all([
      database.listen(channels.newJobs, (name) => {
        if (mine.has(name)) this.#claims.wake();
      }),
      database.listen(channels.stopRequests, (name) => {
        if (name === config.serverName) this.#stops.wake();
      }),
      database.listen(channels.freeSlots, () => this.#gate?.wake()),
    ]);
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
