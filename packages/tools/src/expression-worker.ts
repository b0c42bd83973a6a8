import { parentPort } from "node:worker_threads";
import {
  getQuickJS,
  shouldInterruptAfterDeadline,
  type QuickJSContext,
  type QuickJSRuntime,
} from "quickjs-emscripten";

/** One tool's expressions, evaluated together in a fresh context. */
export interface EvaluationRequest {
  readonly id: number;
  /** JSON of the inputs. */
  readonly inputs: string;
  readonly library: readonly string[];
  readonly expressions: readonly { readonly source: string; readonly body: boolean }[];
  readonly memoryBytes: number;
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
  try {
    const prepared = prepare(runtime, context, request);
    if (prepared !== undefined) return request.expressions.map(() => ({ error: prepared }));
    return request.expressions.map(({ source, body }) => {
      // As CWL does it: a text as it is, anything else as JSON.
      const value = body ? `(function () {${source}\n})()` : `(${source}\n)`;
      const code = `(function (value) { return typeof value === "string" ? value : String(JSON.stringify(value)); })(${value})`;
      return run(runtime, context, code, request.milliseconds);
    });
  } finally {
    dispose(context, runtime);
  }
}

function prepare(
  runtime: QuickJSRuntime,
  context: QuickJSContext,
  request: EvaluationRequest,
): string | undefined {
  const inputs = run(runtime, context, `globalThis.inputs = ${request.inputs}; ""`, request.milliseconds);
  if ("error" in inputs) return inputs.error;
  for (const library of request.library) {
    const loaded = run(runtime, context, `${library}\n;""`, request.milliseconds);
    if ("error" in loaded) return `expression_lib: ${loaded.error}`;
  }
  return undefined;
}

function run(
  runtime: QuickJSRuntime,
  context: QuickJSContext,
  code: string,
  milliseconds: number,
): { text: string } | { error: string } {
  runtime.setInterruptHandler(shouldInterruptAfterDeadline(Date.now() + milliseconds));
  const result = context.evalCode(code, "expression");
  if (result.error !== undefined) {
    const thrown: unknown = context.dump(result.error);
    result.error.dispose();
    return { error: reasonOf(thrown, milliseconds) };
  }
  const text = context.getString(result.value);
  result.value.dispose();
  if (text.length > longest) return { error: `its result is longer than ${longest} characters` };
  if (text.includes("\0")) return { error: "its result holds a NUL character" };
  return { text };
}

function reasonOf(thrown: unknown, milliseconds: number): string {
  const { name, message } = (
    typeof thrown === "object" && thrown !== null ? thrown : { message: String(thrown) }
  ) as { name?: string; message?: string };
  if (message === "interrupted") return `it ran longer than ${milliseconds} ms`;
  if (message === "out of memory") return "it used more memory than it may";
  if (message === "stack overflow" || message === "Maximum call stack size exceeded")
    return "it recursed too deeply";
  return name === undefined ? (message ?? "it failed") : `${name}: ${message ?? ""}`;
}

/** After a run out of memory QuickJS cannot always tidy up; the thread's owner then replaces it. */
function dispose(context: QuickJSContext, runtime: QuickJSRuntime): void {
  context.dispose();
  runtime.dispose();
}
