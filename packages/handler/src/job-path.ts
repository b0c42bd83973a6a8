import { channels, jobsToStop, notify, requeueJobIfNotStarted } from "@galaxy-jobs/shared-db";
import { ToolExpressionError, type Tool } from "@galaxy-jobs/tools";
import { defaultTag } from "./assignment/assignment.ts";
import { FewAtOnce } from "./few-at-once.ts";
import { atStep } from "./fault-points.ts";
import type { HandlerContext } from "./handler-context.ts";
import type { JobInHand } from "./jobs-in-hand.ts";
import type { QueueGate } from "./queue-gate.ts";
import type { RunEnd } from "./runners/runner.ts";
import { toolGoneInfo } from "./stages/admit.ts";
import type { RunUnderWay } from "./stages/await-begin.ts";
import { cleanUp } from "./stages/clean-up.ts";
import { endingWithoutFiles, fail, finish, readEnding, type Ending } from "./stages/finish.ts";
import type { RunMonitor } from "./stages/monitor.ts";
import { prepare, prepareWithoutFiles, type Preparation } from "./stages/prepare.ts";
import { recover } from "./stages/recover.ts";
import { resubmit } from "./stages/resubmit.ts";
import { run } from "./stages/run.ts";
import { hasDirectory } from "./stages/runner-of.ts";
import { stop } from "./stages/stop.ts";
import type { StopRequests } from "./stop-requests.ts";
import { WayToQueue, type Queued } from "./way-to-queue.ts";

export interface JobPathParts {
  readonly context: HandlerContext;
  readonly gate: QueueGate;
  readonly monitor: RunMonitor;
  readonly stopRequests: StopRequests;
  /** Told when the run of a job has ended, before its results are read. */
  readonly onRunEnded: (jobId: number) => void;
  /** Aborted when nothing new is begun any more. */
  readonly stopping: AbortSignal;
  /** Aborted when what runs is left. */
  readonly leaving: AbortSignal;
}

/**
 * Run directories that are filled at the same time: as many as Node has threads for files. The others wait without one, so that they are not
 * suspect if this process dies.
 */
const preparedAtOnce = 4;

/**
 * The order of a job's stages; what a stage does is in `stages/`. Each job in hand is one short pipeline; whichever guarded write
 * finds that the job is no longer this handler's ends it. The statements of many pipelines go together: claims and the gate take
 * jobs in batches, `context.files` and `context.states` gather what they ask and write.
 */
export class JobPath {
  readonly #parts: JobPathParts;
  readonly #way: WayToQueue;
  readonly #preparing = new FewAtOnce(preparedAtOnce);

  constructor(parts: JobPathParts) {
    this.#parts = parts;
    this.#way = new WayToQueue(parts);
  }

  /** The path of a job, from its claim to its end. */
  async follow(hand: JobInHand): Promise<void> {
    const context = this.#parts.context;
    const { database, events } = context;
    const { job } = hand;
    const arrival = await (job.state === "queued" ? this.#way.arrive(job) : this.#way.awaitQueue(job));
    if (arrival === "over") return;
    if (arrival === "lost") return this.#letGo(hand);
    if ("info" in arrival) {
      await this.#fail(hand, arrival);
      return;
    }
    const { destination, outputs, tool } = arrival;
    events.emit("queued", {
      job: job.id,
      fence: job.fence,
      runner: destination.runner,
      destination: destination.id,
    });
    const preparation = await this.#prepare(hand, arrival);
    if (preparation === undefined) return;
    const turn = await this.#parts.gate.workers.turn(job.id);
    if (turn === "late" || turn === "stopped" || this.#parts.stopping.aborted)
      return this.#giveBack(hand, preparation);
    hand.run = preparation.run;
    if (turn === "lost") {
      await this.#letGo(hand);
      // No job is ever left in hand that nobody asked to end.
      return this.#giveBack(hand, preparation);
    }
    const started = await run(context, database, job, preparation);
    if (started === undefined) return this.#letGo(hand);
    // Not awaited: a frame less for each of the jobs that run.
    return this.#end(hand, tool, started, outputs);
  }

  /** @returns undefined when the job failed */
  #prepare(hand: JobInHand, { destination, inputs, tool }: Queued): Promise<Preparation | undefined> {
    const context = this.#parts.context;
    if (!hasDirectory(context, { destination }))
      return Promise.resolve(prepareWithoutFiles(hand.job, destination));
    return this.#preparing
      .run(() => prepare(context, hand.job, tool, inputs, destination))
      .catch((error: unknown) => {
        const info =
          error instanceof ToolExpressionError ? error.message : `failure preparing job: ${messageOf(error)}`;
        return this.#fail(hand, { info, traceback: tracebackOf(error) });
      });
  }

  /** Ends a job that cannot go on. */
  async #fail(hand: JobInHand, why: Parameters<typeof fail>[2]): Promise<undefined> {
    if (!(await fail(this.#parts.context, hand.job, why))) await this.#letGo(hand);
  }

  /** Waits for a run's end and writes it. A handler that stops meanwhile leaves the run alone. */
  async #end(
    hand: JobInHand,
    tool: Tool | undefined,
    underWay: RunUnderWay,
    outputs?: Queued["outputs"],
  ): Promise<void> {
    const context = this.#parts.context;
    const prepared = hand.run!;
    const end = await this.#outcome(hand, tool, underWay);
    if (end === "left") return;
    if (end === "lost") {
      this.#parts.monitor.forget(hand.job.id);
      context.events.emit("let_go", { job: hand.job.id, fence: hand.job.fence, at: "run" });
      return this.#letGo(hand);
    }
    this.#parts.onRunEnded(hand.job.id);
    if (tool === undefined) {
      await fail(context, hand.job, { info: toolGoneInfo });
      return;
    }
    const read = () => readEnding(hand.job, prepared, end);
    const ending = hasDirectory(context, prepared)
      ? await atStep(context.fault, "collect.streams", read, hand.job.toolId)
      : endingWithoutFiles(end);
    if (ending.cause !== null) {
      const next = await this.#resubmit(hand, ending, underWay);
      if (next === "lost") return this.#letGo(hand);
      if (next === "resubmitted") return cleanUp(context, prepared, "error");
    }
    const known = await outputs;
    const state = await context.untilWritten("collect", hand.job.id, () =>
      finish(context, hand.job, tool, prepared, ending, known),
    );
    if (state === undefined) return this.#letGo(hand);
    return cleanUp(context, prepared, state);
  }

  /** The end of a run. `lost`: the write of its start was refused before. `left`: the handler leaves first. */
  #outcome(
    hand: JobInHand,
    tool: Tool | undefined,
    underWay: RunUnderWay,
  ): Promise<RunEnd | "lost" | "left"> {
    const { leaving, monitor } = this.#parts;
    return new Promise((resolve, reject) => {
      hand.leave = resolve;
      if (leaving.aborted) resolve("left");
      else monitor.watch(hand.job, hand.run!, tool, underWay).then(resolve, reject);
      // Where the end comes first, its write meets what this one met.
      underWay.marked?.then((mine) => mine || resolve("lost"), reject);
    });
  }

  /** After a failure. What the rules ask for stands in the row once the start is written. */
  async #resubmit(hand: JobInHand, ending: Ending, { marked }: RunUnderWay): ReturnType<typeof resubmit> {
    const context = this.#parts.context;
    const { job } = hand;
    await marked?.catch(() => false);
    return context.untilWritten("resubmit", job.id, () =>
      atStep(
        context.fault,
        "resubmit",
        () => resubmit(context, context.database, job, hand.run!, ending),
        job.toolId,
      ),
    );
  }

  /** A guarded write found the job changed: either its deletion was asked for, or somebody else owns it now. */
  async #letGo(hand: JobInHand): Promise<void> {
    const context = this.#parts.context;
    const requests = await context.untilWritten("stop", hand.job.id, () =>
      jobsToStop(context.database, context.incarnationId),
    );
    const mine = requests.some(({ id, fence }) => id === hand.job.id && fence === hand.job.fence);
    if (!mine) return;
    const carryOut = () => stop(context, context.database, hand.job, hand.run);
    await this.#parts.stopRequests.carryOut(hand.job.id, carryOut, this.#parts.leaving);
  }

  /** What it has prepared and does not start, since it stops, or since its workers are busy for longer than it foresaw. */
  async #giveBack({ job }: JobInHand, { run: prepared }: Preparation): Promise<void> {
    const context = this.#parts.context;
    const { database, fault } = context;
    const mine = await context.untilWritten("give-back", job.id, () =>
      atStep(fault, "give-back", () => requeueJobIfNotStarted(database, job)),
    );
    await cleanUp(context, prepared, "deleted");
    if (!mine) return;
    context.events.emit("released", { jobs: 1 });
    // A hint: whoever misses it polls.
    await notify(database, channels.newJobs, job.assignedHandler ?? defaultTag).catch(() => undefined);
  }

  /** The path of an adopted job, from what became of its run to its end. */
  async followAdopted(hand: JobInHand): Promise<void> {
    const { context } = this.#parts;
    const recovered = await recover(context, context.database, hand.job);
    if (recovered === undefined) return;
    hand.run = recovered.run;
    return this.#end(hand, recovered.tool, recovered);
  }

  /** Ends a job whose pipeline broke. */
  async giveUp(hand: JobInHand, error: unknown): Promise<void> {
    const { context } = this.#parts;
    const info = `The job could not be handled: ${messageOf(error)}`;
    await fail(context, hand.job, { info, traceback: tracebackOf(error) }).catch((failure: unknown) => {
      context.events.emit("trouble", { at: "fail", job: hand.job.id, error: failure });
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function tracebackOf(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : String(error);
}
