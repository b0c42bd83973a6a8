import { parseYaml, zodFaults, type Fault, type PositionedDocument } from "@galaxy-jobs/runtime";
import { isShellFile } from "./build-command.ts";
import { ShellContext, UnsafePlaceError } from "./shell-context.ts";
import { splitTemplate, TemplateError } from "./template.ts";
import { userToolSource, type ToolInput, type UserToolSource } from "./tool-source.ts";
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
    return {
      tool: undefined,
      faults: zodFaults(parsed.error, document, file, { schema: userToolSource }),
      warnings: [],
    };
  }
  const source = parsed.data;
  const linter = new Linter(source, document, file);
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
    faults: linter.faults,
    warnings: linter.warnings,
  };
}

class Linter {
  readonly faults: Fault[] = [];
  readonly warnings: Fault[] = [];
  readonly #source: UserToolSource;
  readonly #document: PositionedDocument;
  readonly #file: string;

  constructor(source: UserToolSource, document: PositionedDocument, file: string) {
    this.#source = source;
    this.#document = document;
    this.#file = file;
  }

  check(): void {
    this.#inputs(this.#source.inputs, ["inputs"]);
    this.#outputs();
    this.#template(["shell_command"], this.#source.shell_command, true);
    for (const [index, { filename, name, content }] of this.#source.configfiles.entries()) {
      const path = filename ?? name ?? "";
      if (path.startsWith("/") || path.split("/").includes("..")) {
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
    try {
      const context = shell ? new ShellContext() : undefined;
      for (const segment of splitTemplate(template)) {
        if (segment.kind === "text") {
          context?.text(segment.text);
          continue;
        }
        for (const [, name] of segment.source.matchAll(/\binputs\.([A-Za-z_]\w*)/g)) {
          if (!declared.has(name!))
            this.#fault(
              at,
              `expression $(${segment.source.slice(0, 60)}) names inputs.${name}, which is not declared`,
              "declare it under inputs",
            );
        }
        if (context === undefined) this.#literal(at, segment.source);
        else context.insert("x");
      }
      context?.end();
    } catch (error) {
      if (!(error instanceof TemplateError) && !(error instanceof UnsafePlaceError)) throw error;
      this.#fault(at, error.message);
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
