import { parentPort } from "node:worker_threads";
import { getQuickJS, type QuickJSContext, type QuickJSRuntime } from "quickjs-emscripten";

/** One tool's expressions, evaluated together in a fresh context. */
export interface EvaluationRequest {
  readonly id: number;
  /** JSON of the inputs. */
  readonly inputs: string;
  readonly library: readonly string[];
  readonly expressions: readonly { readonly source: string; readonly body: boolean }[];
  readonly memoryBytes: number;
  /** For the library and all expressions together. */
  readonly milliseconds: number;
}

export interface EvaluationReply {
  readonly id: number;
  /** For each expression its result's text, or why there is none. */
  readonly results: readonly ({ readonly text: string } | { readonly error: string })[];
}

/** Longest result of one expression, characters. */
const longest = 1_048_576;

const quickjs = await getQuickJS();

parentPort?.on("message", (request: EvaluationRequest) => {
  parentPort?.postMessage({ id: request.id, results: evaluate(request) } satisfies EvaluationReply);
});

function evaluate(request: EvaluationRequest): EvaluationReply["results"] {
  const runtime = quickjs.newRuntime();
  runtime.setMemoryLimit(request.memoryBytes);
  runtime.setMaxStackSize(512 * 1024);
  const context = runtime.newContext();
  const budget = new Budget(request.milliseconds);
  runtime.setInterruptHandler(() => budget.isSpent());
  try {
    const prepared = prepare(context, request, budget);
    if (prepared !== undefined) return request.expressions.map(() => ({ error: prepared }));
    return request.expressions.map(({ source, body }) => {
      // As CWL does it: a text as it is, anything else as JSON.
      const value = body ? `(function () {${source}\n})()` : `(${source}\n)`;
      // A text is handed over up to its first NUL, so one that holds any is handed over as null.
      const code = `(function (value) {
        if (typeof value !== "string") return JSON.stringify(value);
        return value.indexOf("\\0") < 0 ? value : null;
      })(${value})`;
      return run(context, code, budget);
    });
  } finally {
    dispose(context, runtime);
  }
}

function prepare(context: QuickJSContext, request: EvaluationRequest, budget: Budget): string | undefined {
  const inputs = run(context, `globalThis.inputs = ${request.inputs}; ""`, budget);
  if ("error" in inputs) return inputs.error;
  for (const library of request.library) {
    const loaded = run(context, `${library}\n;""`, budget);
    if ("error" in loaded) return `expression_lib: ${loaded.error}`;
  }
  return undefined;
}

function run(context: QuickJSContext, code: string, budget: Budget): { text: string } | { error: string } {
  if (budget.isSpent()) return { error: budget.reason };
  const result = context.evalCode(code, "expression");
  if (result.error !== undefined) {
    const thrown: unknown = context.dump(result.error);
    result.error.dispose();
    return { error: budget.isSpent() ? budget.reason : reasonOf(thrown) };
  }
  const type = context.typeof(result.value);
  const text = type === "string" ? context.getString(result.value) : "";
  result.value.dispose();
  if (type === "object") return { error: "its result holds a NUL character" };
  if (type !== "string") return { error: "it has no result: undefined, or a function" };
  if (text.length > longest) return { error: `its result is longer than ${longest} characters` };
  return { text };
}

/** The time that all expressions of a request have together. */
class Budget {
  readonly reason: string;
  readonly #end: number;

  constructor(milliseconds: number) {
    this.#end = performance.now() + milliseconds;
    this.reason = `all expressions of a run have ${milliseconds} ms together, and these were over`;
  }

  isSpent(): boolean {
    return performance.now() > this.#end;
  }
}

/** What was thrown, as one short text without control characters, fit to be stored and shown. */
function reasonOf(thrown: unknown): string {
  const { name, message } = (
    typeof thrown === "object" && thrown !== null ? thrown : { message: thrown }
  ) as { name?: unknown; message?: unknown };
  if (message === "out of memory") return "it used more memory than it may";
  if (message === "stack overflow" || message === "Maximum call stack size exceeded")
    return "it recursed too deeply";
  const said = [name, message].filter((part) => part !== undefined).map((part) => shown(part));
  // oxlint-disable-next-line no-control-regex -- control characters are what is being replaced
  return said.length === 0 ? "it failed" : said.join(": ").replaceAll(/[\u0000-\u001f\u007f]+/g, " ");
}

function shown(part: unknown): string {
  const text = typeof part === "string" ? part : (JSON.stringify(part) ?? typeof part);
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}

/** After a run out of memory QuickJS cannot always tidy up; the thread's owner then replaces it. */
function dispose(context: QuickJSContext, runtime: QuickJSRuntime): void {
  context.dispose();
  runtime.dispose();
}
