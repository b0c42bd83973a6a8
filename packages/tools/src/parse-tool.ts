import { parseYaml, zodFaults, type Fault, type PositionedDocument } from "@galaxy-jobs/runtime/documents";
import type { z } from "zod";
import { configFilePaths, isShellFile } from "./build-command.ts";
import { ShellContext } from "./shell-context.ts";
import { UnsafePlaceError } from "./unsafe-place-error.ts";
import { splitTemplate, TemplateError } from "./template.ts";
import { userToolSource, type LeafInput, type ToolInput, type UserToolSource } from "./tool-source.ts";
import type { Tool } from "./tool.ts";

export interface ParsedTool {
  /** Undefined when there are faults. */
  readonly tool: Tool | undefined;
  readonly faults: Fault[];
  readonly warnings: Fault[];
}

/** Reads a tool's file, and is its linter: every fault with line and column (galaxy.md 7.2–7.5). */
export function parseTool(text: string, file: string): ParsedTool {
  const document = parseYaml(text, file);
  if (document.faults.length > 0) return { tool: undefined, faults: [...document.faults], warnings: [] };
  const parsed = userToolSource.safeParse(document.value);
  if (!parsed.success) {
    const readable = withoutFaults(document.value, parsed.error);
    const linter = readable === undefined ? undefined : new Linter(readable, document, text, file);
    linter?.check();
    const faults = zodFaults(parsed.error, document, file, { schema: userToolSource });
    return {
      tool: undefined,
      faults: [...faults, ...(linter?.faults ?? [])].toSorted(byPlace),
      warnings: linter?.warnings ?? [],
    };
  }
  const source = parsed.data;
  const linter = new Linter(source, document, text, file);
  linter.check();
  const tool: Tool = {
    id: source.id,
    name: source.name,
    version: source.version,
    description: source.description ?? "",
    file,
    text,
    source,
    inputs: source.inputs,
    outputs: source.outputs,
  };
  return {
    tool: linter.faults.length > 0 ? undefined : tool,
    faults: linter.faults.toSorted(byPlace),
    warnings: linter.warnings,
  };
}

function byPlace(a: Fault, b: Fault): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

/**
 * The source with its unknown keys left out, for the checks that come after its shape, so that a person sees all faults at
 * once. Undefined where more than that is wrong with its shape.
 */
function withoutFaults(value: unknown, error: z.ZodError): UserToolSource | undefined {
  const copy: unknown = structuredClone(value);
  for (const issue of error.issues) {
    let at = copy;
    for (const step of issue.path) at = (at as Record<PropertyKey, unknown> | undefined)?.[step];
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) delete (at as Record<string, unknown>)[key];
    } else if (issue.path.length === 1 && metadata.has(String(issue.path[0]))) {
      (copy as Record<PropertyKey, unknown>)[issue.path[0]!] = metadata.get(String(issue.path[0]));
    }
  }
  return userToolSource.safeParse(copy).data;
}

/** What may stand for a field that is wrong, where no other check looks at it. */
const metadata = new Map([
  ["class", "GalaxyUserTool"],
  ["id", "unnamed"],
  ["name", "unnamed"],
  ["version", "0"],
]);

class Linter {
  readonly faults: Fault[] = [];
  readonly warnings: Fault[] = [];
  readonly #source: UserToolSource;
  readonly #document: PositionedDocument;
  readonly #text: string;
  readonly #file: string;

  constructor(source: UserToolSource, document: PositionedDocument, text: string, file: string) {
    this.#source = source;
    this.#document = document;
    this.#text = text;
    this.#file = file;
  }

  check(): void {
    this.#inputs(this.#source.inputs, ["inputs"]);
    this.#outputs();
    this.#template(["shell_command"], this.#source.shell_command, true);
    const paths = configFilePaths(this.#source);
    for (const [index, { content }] of this.#source.configfiles.entries()) {
      const path = paths[index]!;
      if (paths.indexOf(path) < index)
        this.#fault(
          ["configfiles", index, "filename"],
          `there are two config files named ${path}`,
          "rename one",
        );
      if (path === "" || path.startsWith("/") || path.split("/").includes("..")) {
        this.#fault(
          ["configfiles", index, "filename"],
          "must lie inside the working directory",
          "use a relative path without ..",
        );
      }
      this.#template(
        ["configfiles", index, "content"],
        content,
        isShellFile(path, content, this.#source.shell_command),
      );
    }
    if (/\b(eval|(ba|da)?sh\s+-c)\b[^\n]*\$\(/.test(this.#source.shell_command)) {
      this.#warn(
        ["shell_command"],
        "an expression in the argument of eval or sh -c is read by a second shell, for which it is not quoted",
        "pass it as an argument: sh -c '…' sh '$(…)'",
      );
    }
  }

  #inputs(inputs: readonly ToolInput[], at: (string | number)[]): void {
    const names = new Set<string>();
    for (const [index, input] of inputs.entries()) {
      const here = [...at, index];
      if (names.has(input.name))
        this.#fault([...here, "name"], `there are two inputs named ${input.name}`, "rename one");
      names.add(input.name);
      if (input.type === "repeat" || input.type === "section")
        this.#inputs(input.parameters, [...here, "parameters"]);
      if (input.type === "conditional") {
        for (const [branch, { parameters }] of input.whens.entries())
          this.#inputs(parameters, [...here, "whens", branch, "parameters"]);
      }
      if (input.type === "integer" || input.type === "float") this.#range(input, here);
      if (input.type === "select") this.#options(input, here);
      if (input.type === "text") {
        for (const [which, validator] of (input.validators ?? []).entries()) {
          if (validator.type === "regex" && !isRegExp(validator.expression)) {
            this.#fault(
              [...here, "validators", which, "expression"],
              "is no regular expression of JavaScript",
            );
          }
        }
      }
    }
  }

  #range({ min, max, value }: LeafInput & { type: "integer" | "float" }, here: (string | number)[]): void {
    const least = min ?? Number.NEGATIVE_INFINITY;
    const most = max ?? Number.POSITIVE_INFINITY;
    if (least > most) this.#fault([...here, "min"], `min ${least} is more than max ${most}`);
    else if (typeof value === "number" && (value < least || value > most))
      this.#fault([...here, "value"], `the default ${value} is not between min and max`);
  }

  #options({ options }: LeafInput & { type: "select" }, here: (string | number)[]): void {
    const values = options.map(({ value }) => value);
    for (const [index, value] of values.entries()) {
      if (values.indexOf(value) < index)
        this.#fault(
          [...here, "options", index, "value"],
          `there are two options with the value ${JSON.stringify(value)}`,
        );
    }
  }

  #outputs(): void {
    const names = new Set<string>();
    const inputs = new Set(this.#source.inputs.map(({ name }) => name));
    for (const [index, output] of this.#source.outputs.entries()) {
      if (names.has(output.name))
        this.#fault(["outputs", index, "name"], `there are two outputs named ${output.name}`, "rename one");
      names.add(output.name);
      if (output.from_work_dir.startsWith("/") || output.from_work_dir.split("/").includes("..")) {
        this.#fault(
          ["outputs", index, "from_work_dir"],
          "must lie inside the working directory",
          "use a relative path without ..",
        );
      }
      if (
        typeof output.format_source === "string" &&
        !inputs.has(output.format_source.split("|")[0]!.replace(/_\d+$/, ""))
      ) {
        this.#fault(["outputs", index, "format_source"], `there is no input ${output.format_source}`);
      }
    }
  }

  /** Every `inputs.NAME` is declared, every expression ends, and stands where a result can be put safely. */
  #template(at: (string | number)[], template: string, shell: boolean): void {
    const declared = new Set(this.#source.inputs.map(({ name }) => name));
    let offset = 0;
    try {
      const context = shell ? new ShellContext() : undefined;
      if (template.includes("\0")) this.#fault(at, "must not hold a NUL character");
      for (const segment of splitTemplate(template)) {
        if (segment.kind === "text") {
          context?.text(segment.text);
          continue;
        }
        for (const [, name] of segment.source.matchAll(/\binputs\.([A-Za-z_]\w*)/g)) {
          if (!declared.has(name!))
            this.#faultIn(
              at,
              template,
              segment.offset,
              `expression $(${segment.source.slice(0, 60)}) names inputs.${name}, which is not declared`,
              "declare it under inputs",
            );
        }
        if (context === undefined) this.#literal(at, segment.source);
        else {
          offset = segment.offset;
          context.insert("x");
        }
      }
      offset = template.length;
      context?.end();
    } catch (error) {
      if (!(error instanceof TemplateError) && !(error instanceof UnsafePlaceError)) throw error;
      this.#faultIn(at, template, error instanceof TemplateError ? error.offset : offset, error.message);
    }
  }

  #literal(at: (string | number)[], source: string): void {
    const name = /^\s*inputs\.([A-Za-z_]\w*)\s*$/.exec(source)?.[1];
    const input = this.#source.inputs.find((candidate) => candidate.name === name);
    if (input?.type === "text") {
      this.#warn(
        at,
        `the text of ${name} is inserted as it is into a file that is no shell script`,
        `write $(JSON.stringify(inputs.${name})) or pass it as an argument`,
      );
    }
  }

  /** A fault inside a template: where the text at `offset` stands in the file, if that can be told. */
  #faultIn(
    path: (string | number)[],
    template: string,
    offset: number,
    message: string,
    remedy?: string,
  ): void {
    const fault = this.#place(path, message, remedy);
    this.faults.push({ ...fault, ...this.#positionIn(fault, template, offset) });
  }

  /** Counts how often the same piece occurs before it, since YAML may have folded or indented what is between. */
  #positionIn(fault: Fault, template: string, offset: number): { line: number; column: number } | undefined {
    const piece = template.slice(offset).split("\n")[0]!.trimEnd();
    if (piece === "" || fault.line === undefined || fault.column === undefined) return undefined;
    const lines = this.#text.split("\n");
    let from = lines.slice(0, fault.line - 1).join("\n").length + (fault.line > 1 ? 1 : 0) + fault.column - 1;
    let found = -1;
    for (let count = template.slice(0, offset).split(piece).length; count > 0; count -= 1) {
      found = this.#text.indexOf(piece, from);
      if (found < 0) return undefined;
      from = found + piece.length;
    }
    const before = this.#text.slice(0, found).split("\n");
    return { line: before.length, column: before.at(-1)!.length + 1 };
  }

  #fault(path: (string | number)[], message: string, remedy?: string): void {
    this.faults.push(this.#place(path, message, remedy));
  }

  #warn(path: (string | number)[], message: string, remedy?: string): void {
    this.warnings.push(this.#place(path, message, remedy));
  }

  #place(path: (string | number)[], message: string, remedy?: string): Fault {
    const key = path
      .map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? part : `.${part}`))
      .join("");
    return {
      file: this.#file,
      ...this.#document.position(path),
      key,
      message,
      ...(remedy === undefined ? {} : { remedy }),
    };
  }
}

function isRegExp(expression: string): boolean {
  try {
    return new RegExp(`^(?:${expression})`, "u") instanceof RegExp;
  } catch {
    return false;
  }
}
