import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import type {
  CountQuery,
  DecideQuestion,
  FromThread,
  LookQuestion,
  RuleAnswer,
  RuleThreadData,
  ToThread,
} from "./rule-messages.ts";

interface Pending {
  readonly question: DecideQuestion | LookQuestion;
  readonly resolve: (answer: RuleAnswer) => void;
  readonly reject: (error: unknown) => void;
}

export interface RuleThreadOptions {
  readonly data: RuleThreadData;
  readonly count: (query: CountQuery) => Promise<number>;
  /** A line that a rule wrote to its output. */
  readonly onOutput: (line: string) => void;
}

/** The thread that does not answer is given so much longer than the rule's own time, ms: it keeps that itself where it can. */
const patience = 1_000;
/** To load the modules, ms. */
const loadTime = 30_000;
const heapMegabytes = 256;
const longestLine = 1_000;

/**
 * The rules of one destination, one after another, on a thread of their own. A rule that never ends costs the jobs of this
 * destination its time, and nothing else; the thread is then replaced.
 */
export class RuleThread {
  readonly #options: RuleThreadOptions;
  readonly #queue: Pending[] = [];
  #worker: Worker | undefined;
  #busy: { readonly id: number; readonly pending: Pending; timer: NodeJS.Timeout } | undefined;
  #loaded = false;
  #closed = false;
  #next = 1;

  constructor(options: RuleThreadOptions) {
    this.#options = options;
  }

  /** @throws what `count` threw while the rule asked for it, and an error when the thread is closed meanwhile */
  ask(question: DecideQuestion | LookQuestion): Promise<RuleAnswer> {
    if (this.#closed) return Promise.reject(new Error("the thread of the rules is closed"));
    return new Promise((resolve, reject) => {
      this.#queue.push({ question, resolve, reject });
      this.#work();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    const error = new Error("the thread of the rules was closed");
    for (const { reject } of this.#queue.splice(0)) reject(error);
    this.#settle(({ reject }) => reject(error));
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
    const id = this.#next++;
    this.#busy = { id, pending, timer: this.#limit(this.#loaded ? timeOf(pending) : loadTime) };
    this.#worker.postMessage({ ...pending.question, id });
  }

  #limit(milliseconds: number): NodeJS.Timeout {
    return setTimeout(() => this.#replace({ is: "timeout" }), milliseconds);
  }

  #startWorker(): Worker {
    this.#loaded = false;
    const worker = new Worker(new URL("rule-worker.js", import.meta.url), {
      workerData: this.#options.data,
      execArgv: [],
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
    });
    for (const stream of [worker.stdout, worker.stderr])
      createInterface({ input: stream }).on("line", (line) =>
        this.#options.onOutput(line.slice(0, longestLine)),
      );
    worker.on("message", (message: FromThread) => {
      if (this.#worker !== worker) return;
      if (message.kind === "ready") this.#onLoaded();
      else if (message.kind === "count") void this.#count(worker, message.call, message.query);
      else if (message.id === this.#busy?.id) this.#answered(message.answer);
    });
    const ended = (message: string, traceback = message) => {
      if (this.#worker === worker) this.#replace({ is: "error", message, traceback });
    };
    worker.on("error", (error) => ended(error.message, error.stack));
    worker.on("exit", () => ended("the rule ended its thread"));
    return worker;
  }

  async #count(worker: Worker, call: number, query: CountQuery): Promise<void> {
    const busy = this.#busy;
    try {
      worker.postMessage({
        kind: "counted",
        call,
        count: await this.#options.count(query),
      } satisfies ToThread);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      worker.postMessage({ kind: "uncounted", call, message } satisfies ToThread);
      // A wrong question is the rule's fault; a database that is away is not.
      if (error instanceof TypeError || busy === undefined || this.#busy !== busy) return;
      this.#settle(({ reject }) => reject(error));
      this.#work();
    }
  }

  #onLoaded(): void {
    this.#loaded = true;
    if (this.#busy === undefined) return;
    clearTimeout(this.#busy.timer);
    this.#busy.timer = this.#limit(timeOf(this.#busy.pending));
  }

  #answered(answer: RuleAnswer): void {
    this.#settle(({ resolve }) => resolve(answer));
    this.#work();
  }

  /** The thread is stuck or dead: the next rule gets a new one. */
  #replace(answer: RuleAnswer): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
    this.#settle(({ resolve }) => resolve(answer));
    this.#work();
  }

  #settle(how: (pending: Pending) => void): void {
    if (this.#busy === undefined) return;
    const { pending, timer } = this.#busy;
    clearTimeout(timer);
    this.#busy = undefined;
    how(pending);
  }
}

function timeOf({ question }: Pending): number {
  return patience + (question.kind === "decide" ? question.timeout * 1000 : 0);
}
