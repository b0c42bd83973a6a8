import type { Destination } from "@galaxy-jobs/runtime";
import { pauseJobIfClaimed, type JobRow } from "@galaxy-jobs/shared-db";
import type { Tool } from "@galaxy-jobs/tools";
import { destinationOf } from "./destinations/destination-of.ts";
import type { HandlerContext } from "./handler-context.ts";
import type { QueueGate } from "./queue-gate.ts";
import { admit, namesInputs, toolGoneInfo, type Admission, type JobFiles } from "./stages/admit.ts";
import { sendOn } from "./stages/send-on.ts";

/** What is known of a job that is queued. */
export interface Queued {
  readonly tool: Tool;
  readonly inputs: JobFiles["inputs"];
  /** They are needed when the run has ended. Undefined: they could not be read, and are read then. */
  readonly outputs: Promise<JobFiles["outputs"] | undefined>;
  readonly destination: Destination;
}

/** Why a job cannot go on. */
interface Failure {
  readonly info: string;
  readonly traceback?: string;
}

/** `lost`: its end was asked for, or it is somebody else's. `over`: it was paused or given back, or the handler stops. */
export type Arrival = Queued | Failure | "lost" | "over";

/** The stages of a claimed job until it is queued. */
export class WayToQueue {
  readonly #context: HandlerContext;
  readonly #gate: QueueGate;
  readonly #stopping: AbortSignal;

  constructor(parts: {
    readonly context: HandlerContext;
    readonly gate: QueueGate;
    /** Aborted when nothing new is begun any more. */
    readonly stopping: AbortSignal;
  }) {
    this.#context = parts.context;
    this.#gate = parts.gate;
    this.#stopping = parts.stopping;
  }

  /** A job that its claim has queued already, and whose inputs it has found to be there. */
  arrive(job: JobRow): Promise<Queued | Failure> {
    const context = this.#context;
    const tool = context.toolBox().get(job.toolId, job.toolVersion);
    const destination = destinationOf(context.config.jobs, job);
    if (tool === undefined || destination === undefined) return Promise.resolve({ info: toolGoneInfo });
    const outputs = context.files.outputs(job.id).catch(() => undefined);
    if (!namesInputs(job, tool)) return Promise.resolve({ tool, inputs: [], outputs, destination });
    return context
      .untilWritten("admit", job.id, () => context.files.inputs(job.id))
      .then((inputs) => ({ tool, inputs, outputs, destination }));
  }

  /** From the claim to `queued`. */
  async awaitQueue(job: JobRow): Promise<Arrival> {
    const context = this.#context;
    const { database, events } = context;
    while (!this.#stopping.aborted) {
      const admission = await context.untilWritten("admit", job.id, () => admit(context, database, job));
      if (admission.verdict === "fail") return admission;
      if (admission.verdict === "pause") {
        if (!(await pauseJobIfClaimed(database, job, admission.info))) return "lost";
        events.emit("paused", { job: job.id, info: admission.info });
        return "over";
      }
      const answer = await this.#enterGate(job, admission);
      if (answer === "again") continue;
      if (typeof answer !== "object" || "info" in answer) return answer;
      const { inputs, outputs, tool } = admission;
      return { tool, inputs, outputs: Promise.resolve(outputs), destination: answer.destination };
    }
    return "over";
  }

  /** Maps the job to its destination and waits for its turn there. */
  async #enterGate(
    job: JobRow,
    { tool, inputs }: Admission & { verdict: "go" },
  ): Promise<{ destination: Destination } | Failure | "lost" | "again" | "over"> {
    const context = this.#context;
    const gate = this.#gate;
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
      return "over";
    }
    if (context.mapper.isFixed(tool) && request.wanted === undefined)
      context.express.learn(tool, destination);
    else context.express.meetOther(performance.now());
    const answer = await gate.enter(job, destination, reason);
    if (answer === "queued") return { destination };
    return answer === "lost" || answer === "again" ? answer : "over";
  }

  async #park(job: JobRow, reason: string): Promise<"lost" | "again" | "over"> {
    const answer = await this.#gate.park(job, reason);
    if (answer === "queued" || answer === "again") return "again";
    return answer === "lost" ? "lost" : "over";
  }
}
