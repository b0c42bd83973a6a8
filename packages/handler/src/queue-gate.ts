import { Loop, type Destination, type Service } from "@galaxy-jobs/runtime";
import {
  explainWaitIfClaimed,
  inDispatchOrder,
  readJobLock,
  recheckWaitingJobs,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import type { HandlerContext } from "./handler-context.ts";
import { queue, type QueueCandidate } from "./stages/queue.ts";
import { Workers } from "./workers.ts";

/**
 * `again`: look at the job's tool, inputs and destination anew. `lost`: its end was asked for, or it is somebody else's.
 * `given-back`: it is known to be somebody else's, and there is nothing to do.
 */
export type GateAnswer = "queued" | "lost" | "again" | "given-back" | "stopped";

/** A rule that decides for longer counts as slow, ms. */
const slowDecision = 500;
/** The jobs of a tool are left to others for so long after one had to be given back, ms. */
const avoidance = 10_000;

/** A waiting job is looked at again after so long, ms: is it still this handler's, are its inputs there? */
const recheckInterval = 5_000;

interface Waiting {
  readonly job: JobRow;
  /** Undefined for a job that no destination takes yet. */
  readonly destination: Destination | undefined;
  readonly destinationReason: string | undefined;
  readonly since: number;
  seen: number;
  /** Why it waits; undefined before the first look. */
  reason: string | undefined;
  /** As last written to its row. */
  written: string | undefined;
  refusedBy: "runner" | "limits" | undefined;
  readonly answer: (answer: GateAnswer) => void;
}

/**
 * Where claimed jobs wait for their turn: for a worker of their runner, for the limits of job_conf, for a rule that is not
 * ready, for the job lock to be lifted. All that wait are looked at together, in the order in which jobs are claimed, at each tick and
 * whenever something may have become free.
 */
export class QueueGate implements Service {
  readonly name = "queue-gate";
  readonly #context: HandlerContext;
  readonly #loop: Loop;
  readonly #waiting = new Map<number, Waiting>();
  readonly workers: Workers;
  /** Jobs whose rule takes long, with their tool. */
  readonly #deciding = new Map<number, string>();
  /** Tools whose jobs another handler has to run, until when. */
  readonly #avoided = new Map<string, number>();

  constructor(context: HandlerContext, onError: (error: unknown) => void) {
    this.#context = context;
    this.workers = new Workers(context);
    this.#loop = new Loop({ name: "queue-gate", work: (stop) => this.#round(stop), onError });
  }

  start(): Promise<void> {
    return this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    this.workers.stop();
    for (const waiting of this.#waiting.values()) waiting.answer("stopped");
    this.#waiting.clear();
  }

  /** Something may have become free. */
  wake(): void {
    if (this.#waiting.size > 0) this.#loop.wake();
  }

  /** Jobs may have been given away: all that wait are looked at again at once. */
  recheck(): void {
    for (const waiting of this.#waiting.values()) waiting.seen = Number.NEGATIVE_INFINITY;
    this.wake();
  }

  /** Waits until the job is queued; it then has, or waits for, a worker of its runner until `leave`. */
  enter(job: JobRow, destination: Destination, reason: string | undefined): Promise<GateAnswer> {
    return this.#wait(job, { destination, destinationReason: reason, reason: undefined });
  }

  /** A tick's wait of a job that no destination takes yet. */
  park(job: JobRow, reason: string): Promise<GateAnswer> {
    return this.#wait(job, { destination: undefined, destinationReason: undefined, reason });
  }

  /** While a job's destination is decided: when its rule takes long, others are claimed meanwhile as if it were not here. */
  async decide<T>(job: JobRow, decision: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#deciding.set(job.id, job.toolId), slowDecision);
    try {
      return await decision();
    } finally {
      clearTimeout(timer);
      this.#deciding.delete(job.id);
    }
  }

  /** A job of this tool had to be given back to its pool. */
  avoid(toolId: string): void {
    this.#avoided.set(toolId, performance.now() + avoidance);
  }

  /** The run of a job has ended. */
  runEnded(jobId: number): void {
    if (this.workers.runEnded(jobId)) this.wake();
  }

  leave(jobId: number): void {
    this.remove(jobId);
    this.#context.mapper.forget(jobId);
    if (this.workers.leave(jobId)) this.wake();
  }

  /** The job's deletion was asked for: it waits no longer. */
  remove(jobId: number): void {
    this.workers.remove(jobId);
    const waiting = this.#waiting.get(jobId);
    if (waiting === undefined) return;
    this.#waiting.delete(jobId);
    waiting.answer("lost");
  }

  /** Jobs that wait for something else than their first look, or for a slow rule. */
  get refused(): number {
    return (
      this.#deciding.size + [...this.#waiting.values()].filter(({ reason }) => reason !== undefined).length
    );
  }

  /** Users of whom a ready window of jobs waits here already (galaxy.md 4.5). */
  crowdedUsers(window: number): number[] {
    const counts = new Map<number, number>();
    for (const { job } of this.#waiting.values()) {
      if (job.userId !== null) counts.set(job.userId, (counts.get(job.userId) ?? 0) + 1);
    }
    return [...counts].filter(([, count]) => count >= window).map(([user]) => user);
  }

  /** Tools whose jobs wait here for a worker or a slow rule, or had to be given back: another handler may have what they need. */
  crowdedTools(): string[] {
    const now = performance.now();
    for (const [tool, end] of this.#avoided) if (end <= now) this.#avoided.delete(tool);
    const crowded = [...this.#waiting.values()].filter(({ refusedBy }) => refusedBy === "runner");
    return [
      ...new Set([
        ...crowded.map(({ job }) => job.toolId),
        ...this.#deciding.values(),
        ...this.#avoided.keys(),
      ]),
    ];
  }

  #wait(
    job: JobRow,
    what: Pick<Waiting, "destination" | "destinationReason" | "reason">,
  ): Promise<GateAnswer> {
    // It was given back and claimed again, before the earlier claim was looked at.
    this.#answer(job.id, "given-back");
    return new Promise((answer) => {
      const since = performance.now();
      this.#waiting.set(job.id, {
        job,
        ...what,
        since,
        seen: since,
        written: job.waitReason ?? undefined,
        refusedBy: undefined,
        answer,
      });
      this.#loop.wake();
    });
  }

  async #round(stopping: AbortSignal): Promise<number> {
    if (this.#waiting.size === 0) return Number.POSITIVE_INFINITY;
    await this.#context.lease.whenHeld(stopping);
    const pause = this.#context.config.jobHandlerMonitorSleep * 1000;
    const now = performance.now();
    for (const [id, { destination, since }] of this.#waiting) {
      if (destination === undefined && now - since >= pause) this.#answer(id, "again");
    }
    await this.#recheck(now);
    if (await readJobLock(this.#context.database)) {
      for (const waiting of this.#waiting.values())
        waiting.reason = "an administrator has locked the start of jobs (job lock)";
    } else {
      await this.#queue();
    }
    await this.#explain();
    return pause;
  }

  async #queue(): Promise<void> {
    const ready = [...this.#waiting.values()].filter(({ destination }) => destination !== undefined);
    const order = inDispatchOrder(
      ready.map(({ job }) => job),
      ({ assignedHandler }) => assignedHandler,
    );
    const candidates: QueueCandidate[] = order.map((job) => {
      const { destination, destinationReason } = this.#waiting.get(job.id)!;
      return { job, destination: destination!, destinationReason };
    });
    if (candidates.length === 0) return;
    const result = await queue(this.#context, this.#context.database, candidates, this.workers.free());
    for (const { job, destination } of candidates) {
      if (result.queued.has(job.id)) {
        this.workers.queue(job, destination.runner);
        this.#answer(job.id, "queued");
      } else if (result.lost.has(job.id)) {
        this.#answer(job.id, "lost");
      } else {
        const waiting = this.#waiting.get(job.id);
        if (waiting === undefined) continue;
        waiting.reason = result.refused.get(job.id)?.reason;
        waiting.refusedBy = result.refused.get(job.id)?.by;
      }
    }
  }

  /** A job that waited for long may have been given away, and must not start with an input that was deleted meanwhile. */
  async #recheck(now: number): Promise<void> {
    const due = [...this.#waiting.values()].filter(({ seen }) => now - seen >= recheckInterval);
    if (due.length === 0) return;
    for (const waiting of due) waiting.seen = now;
    const jobs = due.map(({ job }) => ({ id: job.id, fence: job.fence }));
    for (const { id, found } of await recheckWaitingJobs(this.#context.database, jobs)) {
      if (found === "gone") this.#answer(id, "given-back");
      else this.#answer(id, found === "asked" ? "lost" : "again");
    }
  }

  async #explain(): Promise<void> {
    const changed = [...this.#waiting.values()].filter(
      ({ reason, written }) => reason !== undefined && reason !== written,
    );
    await explainWaitIfClaimed(
      this.#context.database,
      changed.map(({ job, reason }) => ({ id: job.id, fence: job.fence, reason: reason! })),
    );
    for (const waiting of changed) waiting.written = waiting.reason;
  }

  #answer(id: number, answer: GateAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.answer(answer);
  }
}
