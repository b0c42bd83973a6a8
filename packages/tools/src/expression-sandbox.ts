import { Worker } from "node:worker_threads";
import type { EvaluationReply, EvaluationRequest } from "./expression-worker.ts";

/** An expression of a tool that has no result: which, where, and why. */
export class ToolExpressionError extends Error {
  override readonly name = "ToolExpressionError";
}

export type Evaluation = { readonly text: string } | { readonly error: string };

interface Pending {
  readonly request: EvaluationRequest;
  readonly resolve: (results: readonly Evaluation[]) => void;
}

/**
 * Evaluates tools' expressions in QuickJS on a thread of its own, so that an expression that never ends holds up nothing but
 * other expressions, and these for its time limit only. No part of Node is reachable from inside.
 */
export class ExpressionSandbox {
  readonly #memoryBytes: number;
  readonly #milliseconds: number;
  readonly #queue: Pending[] = [];
  #worker: Worker | undefined;
  #busy: { pending: Pending; timer: NodeJS.Timeout } | undefined;
  #closed = false;
  #next = 1;

  /** @param limits for all expressions of one call of `evaluate` together; default 64 MB and 2,000 ms */
  constructor(limits: { readonly memoryBytes?: number; readonly milliseconds?: number } = {}) {
    this.#memoryBytes = limits.memoryBytes ?? 64 * 1024 * 1024;
    this.#milliseconds = limits.milliseconds ?? 2_000;
  }

  /** One result or error for each expression; those behind one that used up the time have an error too. @throws Error when the sandbox is closed */
  evaluate(
    inputs: unknown,
    library: readonly string[],
    expressions: readonly { readonly source: string; readonly body: boolean }[],
  ): Promise<readonly Evaluation[]> {
    if (this.#closed) return Promise.reject(new Error("the expression sandbox is closed"));
    return new Promise((resolve) => {
      const limits = { memoryBytes: this.#memoryBytes, milliseconds: this.#milliseconds };
      const request = { id: this.#next++, inputs: JSON.stringify(inputs), library, expressions, ...limits };
      this.#queue.push({ request, resolve });
      this.#work();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    for (const pending of this.#queue.splice(0)) this.#failed(pending, "the sandbox was closed");
    if (this.#busy !== undefined) this.#settle("the sandbox was closed");
    await worker?.terminate();
  }

  #work(): void {
    if (this.#busy !== undefined || this.#closed) return;
    const pending = this.#queue.shift();
    if (pending === undefined) {
      this.#worker?.unref();
      return;
    }
    this.#worker ??= this.#startWorker();
    this.#worker.ref();
    // The thread keeps the time itself, save where the engine does not look at the clock.
    const patience = this.#milliseconds + 5_000;
    const timer = setTimeout(() => this.#replace(`it did not answer within ${patience} ms`), patience);
    this.#busy = { pending, timer };
    this.#worker.postMessage(pending.request);
  }

  #startWorker(): Worker {
    const worker = new Worker(new URL("expression-worker.js", import.meta.url), {
      env: {},
      execArgv: [],
      stdout: true,
      stderr: true,
    });
    worker.on("message", (reply: EvaluationReply) => this.#answered(reply));
    worker.on("error", (error) => {
      if (this.#worker === worker)
        this.#replace(outOfMemory(error) ?? `the sandbox failed: ${error.message}`);
    });
    return worker;
  }

  #answered(reply: EvaluationReply): void {
    const busy = this.#busy;
    if (busy === undefined || busy.pending.request.id !== reply.id) return;
    clearTimeout(busy.timer);
    this.#busy = undefined;
    busy.pending.resolve(reply.results);
    this.#work();
  }

  /** The thread is stuck or dead: its work fails, the next gets a new one. */
  #replace(reason: string): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
    if (this.#busy !== undefined) this.#settle(reason);
    this.#work();
  }

  #settle(reason: string): void {
    const { pending, timer } = this.#busy!;
    clearTimeout(timer);
    this.#busy = undefined;
    this.#failed(pending, reason);
  }

  #failed(pending: Pending, reason: string): void {
    pending.resolve(pending.request.expressions.map(() => ({ error: reason })));
  }
}

function outOfMemory(error: Error): string | undefined {
  return /memory|abort/i.test(error.message) ? "it used more memory than it may" : undefined;
}
