import { readdir } from "node:fs/promises";
import { register } from "node:module";
import { basename, extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { RuleName } from "./rule-messages.ts";

export type RuleFunction = (...args: unknown[]) => unknown;

interface RuleModule {
  readonly name: string;
  readonly file: string;
  /** Undefined when it could not be loaded. */
  readonly content: Readonly<Record<string, unknown>> | undefined;
  readonly error?: string;
}

const extensions = [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"];

/** The modules of job_rules_directory, sorted by name. They are loaded once; one that fails harms no other. */
export class RuleModules {
  readonly #directory: string;
  readonly #modules: readonly RuleModule[];

  private constructor(directory: string, modules: readonly RuleModule[]) {
    this.#directory = directory;
    this.#modules = modules;
  }

  static async load(directory: string): Promise<RuleModules> {
    const files = (await readdir(directory).catch(() => []))
      .filter(
        (file) => extensions.includes(extname(file)) && !file.startsWith(".") && !/\.d\.[mc]?ts$/.test(file),
      )
      .toSorted((a, b) => (a < b ? -1 : 1));
    // Node strips types by itself from 22.18 on.
    if (
      files.some((file) => file.endsWith("ts")) &&
      !("typescript" in process.features && process.features.typescript)
    )
      register(new URL("type-stripping.js", import.meta.url));
    const modules: RuleModule[] = [];
    for (const file of files) modules.push(await loadModule(directory, file));
    return new RuleModules(directory, modules);
  }

  /** The function of a rule; of several modules that have it the last one wins (galaxy.md 3.9). @throws MissingRuleError */
  find({ functions, module }: RuleName): { readonly rule: RuleFunction; readonly where: string } {
    const among = this.#modules.filter(
      ({ name, file }) => module === undefined || [name, file].includes(module),
    );
    if (module !== undefined && among.length === 0)
      throw new MissingRuleError(`there is no module ${module} in ${this.#directory}${this.#whatThereIs()}`);
    for (const name of functions) {
      for (const { content, file } of among.toReversed()) {
        const rule = content === undefined ? undefined : functionOf(content, name);
        if (rule !== undefined) return { rule, where: `${name} of ${file}` };
      }
    }
    const broken = among.flatMap(({ file, error }) =>
      error === undefined ? [] : `${file} could not be loaded: ${error}`,
    );
    const place =
      module === undefined
        ? `any module of ${this.#directory}`
        : `the module ${module} of ${this.#directory}`;
    throw new MissingRuleError(
      [`there is no function ${functions[0]} in ${place}${this.#whatThereIs()}`, ...broken].join("; "),
    );
  }

  #whatThereIs(): string {
    const names = this.#modules.map(({ file, content }) => {
      const functions = Object.entries(content ?? {}).flatMap(([name, value]) =>
        typeof value === "function" ? name : [],
      );
      return functions.length === 0 ? file : `${file} with ${functions.join(", ")}`;
    });
    return names.length === 0 ? ", which has no modules" : ` (there are: ${names.join("; ")})`;
  }
}

export class MissingRuleError extends Error {
  override readonly name = "MissingRuleError";
}

async function loadModule(directory: string, file: string): Promise<RuleModule> {
  const name = basename(file, extname(file));
  try {
    const loaded: unknown = await import(pathToFileURL(join(directory, file)).href);
    return { name, file, content: loaded as Record<string, unknown> };
  } catch (error) {
    const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { name, file, content: undefined, error: said };
  }
}

/** An export of the module, or of what a CommonJS module exports as a whole. */
function functionOf(content: Readonly<Record<string, unknown>>, name: string): RuleFunction | undefined {
  for (const place of [content, content["default"]]) {
    if (typeof place !== "object" || place === null || !Object.hasOwn(place, name)) continue;
    const found = (place as Record<string, unknown>)[name];
    if (typeof found === "function") return found as RuleFunction;
  }
  return undefined;
}
