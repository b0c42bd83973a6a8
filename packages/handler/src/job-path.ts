import type { Destination } from "@galaxy-jobs/runtime";
import {
  channels,
  jobsToStop,
  notify,
  pauseJobIfClaimed,
  requeueJobIfNotStarted,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { ToolExpressionError, type Tool } from "@galaxy-jobs/tools";
import { defaultTag } from "./assignment/assignment.ts";
import { destinationOf } from "./destinations/destination-of.ts";
import { FewAtOnce } from "./few-at-once.ts";
import { atStep } from "./fault-points.ts";
import type { HandlerContext } from "./handler-context.ts";
import type { JobInHand } from "./jobs-in-hand.ts";
import type { QueueGate } from "./queue-gate.ts";
import type { RunEnd } from "./runners/runner.ts";
import { admit, namesInputs, toolGoneInfo, type Admission, type JobFiles } from "./stages/admit.ts";
import type { RunUnderWay } from "./stages/await-begin.ts";
import { cleanUp } from "./stages/clean-up.ts";
import { endingWithoutFiles, fail, finish, readEnding, type Ending } from "./stages/finish.ts";
import type { RunMonitor } from "./stages/monitor.ts";
import { prepare, prepareWithoutFiles, type Preparation } from "./stages/prepare.ts";
import { recover } from "./stages/recover.ts";
import { resubmit } from "./stages/resubmit.ts";
import { run } from "./stages/run.ts";
import { hasDirectory } from "./stages/runner-of.ts";
import { sendOn } from "./stages/send-on.ts";
import { stop } from "./stages/stop.ts";
import type { StopRequests } from "./stop-requests.ts";

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

/** What is known of a job that is queued. */
interface Queued {
  readonly tool: Tool;
  readonly inputs: JobFiles["inputs"];
  readonly outputs: Outputs;
  readonly destination: Destination;
}

/** They are needed when the run has ended. Undefined: they could not be read, and are read then. */
type Outputs = Promise<JobFiles["outputs"] | undefined>;

/**
 * The order of a job's stages; what a stage does is in `stages/`. Each job in hand is one short pipeline; whichever guarded write
 * finds that the job is no longer this handler's ends it. The statements of many pipelines go together: claims and the gate take
 * jobs in batches, `context.files` and `context.states` gather what they ask and write.
 */
export class JobPath {
  readonly #parts: JobPathParts;
  readonly #preparing = new FewAtOnce(preparedAtOnce);
  /** Called when what runs is left. */
  readonly #onLeave = new Set<() => void>();

  constructor(parts: JobPathParts) {
    this.#parts = parts;
    parts.leaving.addEventListener("abort", () => {
      for (const leave of this.#onLeave) leave();
    });
  }

  /** The path of a job, from its claim to its end. */
  async follow(hand: JobInHand): Promise<void> {
    const context = this.#parts.context;
    const { database, events } = context;
    const { job } = hand;
    const queued = await (job.state === "queued" ? this.#arrive(hand) : this.#awaitQueue(hand));
    if (queued === undefined) return;
    const { destination, outputs, tool } = queued;
    events.emit("queued", {
      job: job.id,
      fence: job.fence,
      runner: destination.runner,
      destination: destination.id,
    });
    const preparation = await this.#prepare(hand, queued);
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

  /** A job that its claim has queued already, and whose inputs it has found to be there. @returns undefined when the job failed */
  #arrive(hand: JobInHand): Promise<Queued | undefined> {
    const { context } = this.#parts;
    const { job } = hand;
    const tool = context.toolBox().get(job.toolId, job.toolVersion);
    const destination = destinationOf(context.config.jobs, job);
    if (tool === undefined || destination === undefined) return this.#fail(hand, { info: toolGoneInfo });
    const outputs = context.files.outputs(job.id).catch(() => undefined);
    if (!namesInputs(job, tool)) return Promise.resolve({ tool, inputs: [], outputs, destination });
    return context
      .untilWritten("admit", job.id, () => context.files.inputs(job.id))
      .then((inputs) => ({ tool, inputs, outputs, destination }));
  }

  /** From the claim to `queued`. @returns undefined when the job was paused, failed or let go instead */
  async #awaitQueue(hand: JobInHand): Promise<Queued | undefined> {
    const context = this.#parts.context;
    const { job } = hand;
    const { database, events } = context;
    while (!this.#parts.stopping.aborted) {
      const admission = await context.untilWritten("admit", job.id, () => admit(context, database, job));
      if (admission.verdict === "fail") return this.#fail(hand, admission);
      if (admission.verdict === "pause") {
        if (await pauseJobIfClaimed(database, job, admission.info))
          events.emit("paused", { job: job.id, info: admission.info });
        else await this.#letGo(hand);
        return undefined;
      }
      const answer = await this.#enterGate(job, admission);
      if (typeof answer === "object" && "destination" in answer) {
        const { inputs, outputs, tool } = admission;
        return { tool, inputs, outputs: Promise.resolve(outputs), destination: answer.destination };
      }
      if (typeof answer === "object") return this.#fail(hand, answer);
      if (answer === "lost") await this.#letGo(hand);
      if (answer !== "again") return undefined;
    }
    return undefined;
  }

  /** Maps the job to its destination and waits for its turn there. */
  async #enterGate(
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
    const context = this.#parts.context;
    const gate = this.#parts.gate;
    const request = { job, tool, inputs, wanted: job.wantedDestination ?? undefined };
    const mapping = await gate.decide(job, () =>
      context.untilWritten("destination", job.id, () => context.mapper.map(request)),
    );
    if (mapping.verdict === "fail") {
      if (mapping.traceback !== undefined)
        context.events.emit("trouble", { at: "destination", job: job.id, error: mapping.traceback });
      return mapping;
    }
    if (mapping.verdict === "wait") return this.#park(job, mapping.reason);
    const { destination, reason } = mapping;
    if (!context.runners.has(destination.runner)) {
      const sent = await sendOn(context, context.database, job, destination);
      if (sent.verdict === "fail") return sent;
      if (sent.verdict === "wait") return this.#park(job, sent.reason);
      gate.avoid(job.toolId);
      context.events.emit("sent_on", { job: job.id, runner: destination.runner });
      return "given-back";
    }
    if (context.mapper.isFixed(tool) && request.wanted === undefined)
      context.express.learn(tool, destination);
    else context.express.meetOther(performance.now());
    const answer = await gate.enter(job, destination, reason);
    return answer === "queued" ? { destination } : answer;
  }

  async #park(job: JobRow, reason: string): Promise<"lost" | "again" | "given-back" | "stopped"> {
    const answer = await this.#parts.gate.park(job, reason);
    return answer === "queued" ? "again" : answer;
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
    outputs?: Outputs,
  ): Promise<void> {
    const context = this.#parts.context;
    const prepared = hand.run!;
    const end = await this.#outcome(hand, tool, underWay);
    if (end === "left") return;
    if (end === "lost") return this.#letGo(hand);
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
    { job, run: prepared }: JobInHand,
    tool: Tool | undefined,
    underWay: RunUnderWay,
  ): Promise<RunEnd | "lost" | "left"> {
    const { context, leaving, monitor } = this.#parts;
    if (leaving.aborted) {
      underWay.marked?.catch(() => undefined);
      return Promise.resolve("left");
    }
    return new Promise((resolve, reject) => {
      const leave = () => resolve("left");
      this.#onLeave.add(leave);
      const stay = () => this.#onLeave.delete(leave);
      const failed = (error: unknown) => {
        stay();
        reject(error);
      };
      monitor.watch(job, prepared!, tool, underWay).then((end) => {
        stay();
        resolve(end);
      }, failed);
      underWay.marked?.then((mine) => {
        // The write of the end meets what this one met. Without an end yet it is met here.
        if (mine || !stay()) return;
        monitor.forget(job.id);
        context.events.emit("let_go", { job: job.id, fence: job.fence, at: "run" });
        resolve("lost");
      }, failed);
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
