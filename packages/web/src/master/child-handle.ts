import { fork, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { childMark, isFarmReceipt, type FarmEnvelope, type FarmReceipt } from "@galaxy-jobs/runtime";
import type { MetricsFromChild, MetricsToChild } from "./metrics-messages.ts";
import { isFromChild, type FromChild, type ToWorker, type WorkerStatus } from "./child-messages.ts";

export interface ChildPlan {
  readonly kind: "worker" | "mule";
  readonly serverName: string;
  /** Which reload it belongs to. */
  readonly generation: number;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** What a child makes its master do. */
export interface ChildEvents {
  onReady(child: ChildHandle): void;
  onEnd(child: ChildHandle): void;
  onStatus(child: ChildHandle): void;
  onMuleMessage(farm: string, content: unknown): void;
  onReceipt(child: ChildHandle, receipt: FarmReceipt): void;
  onMetrics(child: ChildHandle, message: MetricsFromChild): void;
}

/** What an ended child had sent is read by then, ms. */
const LAST_MESSAGES = 250;

/** A child process as its master sees it; what the child does is in worker.ts, and in the handler's main. */
export class ChildHandle {
  readonly plan: ChildPlan;
  readonly startedAt = Date.now();
  readonly #process: ChildProcess;
  #isReady = false;
  #end: { readonly how: string } | undefined;
  #failure: string | undefined;
  #status: WorkerStatus | undefined;
  #statusAt: number | undefined;
  #handedOver = 0;
  /** Connections on their way to it: if it dies before it has them, they are for another. */
  readonly #underWay = new Map<number, { readonly listener: string; readonly socket: Socket }>();
  #deadline: number | undefined;

  constructor(plan: ChildPlan, events: ChildEvents) {
    this.plan = plan;
    // A session of its own: what a terminal sends to the foreground (Ctrl-C) is for the master, which tells the children.
    this.#process = fork(plan.program, [...plan.args], {
      detached: true,
      env: { ...plan.env, ...childMark },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#process.on("message", (message) => this.#onMessage(message, events));
    // The exit may come before the last messages; the channel's end comes after them. Node does not tell that end when the child
    // died with a socket on its way to it, so it is not waited for without end.
    let isSilent = false;
    let isOver = false;
    const onOver = (): void => {
      if (isOver) return;
      isOver = true;
      events.onEnd(this);
    };
    this.#process.once("disconnect", () => {
      isSilent = true;
      if (this.#end !== undefined) onOver();
    });
    this.#process.once("exit", (code, signal) => {
      this.#end = { how: signal ?? `exit code ${code}` };
      if (isSilent) onOver();
      else setTimeout(onOver, LAST_MESSAGES);
    });
    this.#process.once("error", (error) => {
      if (this.#process.pid !== undefined) return;
      this.#end = { how: error.message };
      events.onEnd(this);
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get isReady(): boolean {
    return this.#isReady && this.#end === undefined;
  }

  /** Told to end. */
  get isRetiring(): boolean {
    return this.#deadline !== undefined;
  }

  /** How it ended, in words; undefined while it lives. */
  get end(): string | undefined {
    return this.#end === undefined ? undefined : (this.#failure ?? this.#end.how);
  }

  get status(): WorkerStatus | undefined {
    return this.#status;
  }

  get statusAt(): number | undefined {
    return this.#statusAt;
  }

  /** Open connections: those it told of, and those handed over since. */
  get load(): number {
    return (this.#status?.open ?? 0) + this.#handedOver - (this.#status?.accepted ?? 0);
  }

  tell(message: ToWorker): void {
    this.#send(message);
  }

  /** Of the metrics exchange, what goes to a child. */
  send(message: MetricsToChild): void {
    this.#send(message);
  }

  sendFarm(envelope: FarmEnvelope): void {
    if (!this.#process.connected) throw new Error(`${this.plan.serverName} has closed its channel`);
    this.#send(envelope);
  }

  /** @returns false when the child cannot take it any more */
  handOver(listener: string, socket: Socket): boolean {
    if (!this.#process.connected || this.#end !== undefined) return false;
    this.#handedOver += 1;
    const message: ToWorker = { type: "connection", listener, number: this.#handedOver };
    this.#underWay.set(this.#handedOver, { listener, socket });
    // Open here too until the child says that it has it.
    this.#process.send(message, socket, { keepOpen: true }, () => undefined);
    return true;
  }

  /** The connections that a child which has ended did not take. */
  takeBack(): { readonly listener: string; readonly socket: Socket }[] {
    const left = [...this.#underWay.values()];
    this.#underWay.clear();
    return left;
  }

  /** Tells it to end; `mercy` seconds later it is killed. */
  retire(mercy: number): void {
    if (this.isRetiring) return;
    this.#deadline = performance.now() + mercy * 1000;
    // On the channel, so that it comes after the connections which were handed over before.
    if (this.plan.kind === "worker" && this.#isReady)
      this.tell({ type: "drain", patience: Math.max(0, mercy * 1000 - Math.min(2000, mercy * 500)) });
    else this.kill("SIGTERM");
  }

  /** ms until its mercy is over; undefined: it was not told to end. */
  get mercyLeft(): number | undefined {
    return this.#deadline === undefined ? undefined : this.#deadline - performance.now();
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#end === undefined) this.#process.kill(signal);
  }

  #send(message: object): void {
    // The error of a channel that has just closed is told by its end.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  #onMessage(message: unknown, events: ChildEvents): void {
    if (isFarmReceipt(message)) return events.onReceipt(this, message);
    if (isFromChild(message)) this.#onTold(message, events);
  }

  #onTold(message: FromChild, events: ChildEvents): void {
    switch (message.type) {
      case "ready":
        this.#isReady = true;
        this.#statusAt = Date.now();
        return events.onReady(this);
      case "status":
        this.#status = message;
        this.#statusAt = Date.now();
        return events.onStatus(this);
      case "failed":
        this.#failure = message.text;
        return;
      case "mule":
        return events.onMuleMessage(message.farm, message.content);
      case "accepted":
        // Closes this process's side of it only.
        this.#underWay.get(message.number)?.socket.destroy();
        this.#underWay.delete(message.number);
        return;
      case "metrics-wanted":
      case "metrics-report":
        return events.onMetrics(this, message);
      case "drained":
        return;
    }
  }
}
