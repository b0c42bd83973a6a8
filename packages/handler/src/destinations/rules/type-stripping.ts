import { readFile } from "node:fs/promises";
import type { LoadHook } from "node:module";
import swc from "@swc/wasm-typescript";

/**
 * A hook of Node's module loader for releases that do not load TypeScript by themselves: takes the types out as newer ones do,
 * so that a module means the same everywhere. What is more than types (enum, namespace) is an error there as well.
 */
export const load: LoadHook = async (url, context, nextLoad) => {
  if (!url.startsWith("file:") || !/\.[mc]?ts$/.test(new URL(url).pathname)) return nextLoad(url, context);
  const source = await readFile(new URL(url), "utf8");
  try {
    const { code } = swc.transformSync(source, { mode: "strip-only", filename: url });
    return { format: url.endsWith(".cts") ? "commonjs" : "module", source: code, shortCircuit: true };
  } catch (error) {
    // The module of swc throws plain objects.
    const { message } = error as { message?: string };
    throw new SyntaxError(message ?? String(error), { cause: error });
  }
};
