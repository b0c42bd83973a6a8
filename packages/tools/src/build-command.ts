import type { ExpressionSandbox, Evaluation } from "./expression-sandbox.ts";
import { ToolExpressionError } from "./expression-sandbox.ts";
import { ShellContext } from "./shell-context.ts";
import { UnsafePlaceError } from "./unsafe-place-error.ts";
import { splitTemplate, type Segment } from "./template.ts";
import type { Tool } from "./tool.ts";
import type { InputValues } from "./input-values.ts";
import type { UserToolSource } from "./tool-source.ts";

type Expression = Segment & { readonly kind: "expression" };

export interface BuiltCommand {
  readonly commandLine: string;
  /** Relative to the working directory. */
  readonly configFiles: readonly { readonly path: string; readonly content: string }[];
}

/**
 * The command line and config files of one run: expressions evaluated over `inputs`, results inserted by their place
 * (shell-context.ts), in config files that are no shell scripts literally (galaxy.md 7.5).
 * @throws ToolExpressionError that names the tool, the field, the expression and the reason
 */
export async function buildCommand(
  tool: Tool,
  inputs: InputValues,
  sandbox: ExpressionSandbox,
): Promise<BuiltCommand> {
  const templates = templatesOf(tool);
  const segments = templates.map(({ template }) => splitTemplate(template));
  // One call for all of them, so that they share one budget of time.
  const results = await evaluate(segments.flat(), tool, inputs, sandbox);
  const [commandLine, ...contents] = templates.map(({ field, shell }, index) =>
    assemble(tool, field, segments[index]!, results, shell),
  );
  const configFiles = configFilePaths(tool.source).map((path, index) => ({
    path,
    content: contents[index]!,
  }));
  return { commandLine: commandLine!, configFiles };
}

function templatesOf(tool: Tool): { field: string; template: string; shell: boolean }[] {
  const { source } = tool;
  const paths = configFilePaths(source);
  return [
    { field: "shell_command", template: source.shell_command, shell: true },
    ...source.configfiles.map(({ content }, index) => ({
      field: `configfiles[${index}].content`,
      template: content,
      shell: isShellFile(paths[index]!, content, source.shell_command),
    })),
  ];
}

/** Where each config file is written, relative to the working directory. */
export function configFilePaths(source: UserToolSource): string[] {
  return source.configfiles.map(({ filename, name }, index) => filename ?? name ?? `configfile_${index + 1}`);
}

/**
 * Whether a config file is a shell script, in which results are inserted by their place: by its name, its first line, or since
 * the command gives it to a shell.
 */
export function isShellFile(path: string, content: string, command: string): boolean {
  if (/\.(sh|bash|dash|ksh|zsh)$/.test(path)) return true;
  if (/^#!\s*\S*(\/|\s)(ba|da|k|z)?sh\b/.test(content)) return true;
  const name = path.replaceAll(/[^\w\s]/g, String.raw`\$&`);
  return new RegExp(
    String.raw`(^|[\s;&|(/])((ba|da|k|z)?sh(\s+-\S+)*|\.|source)\s+["']?(\./)?${name}(?![\w./-])`,
  ).test(command);
}

async function evaluate(
  segments: readonly Segment[],
  tool: Tool,
  inputs: InputValues,
  sandbox: ExpressionSandbox,
): Promise<ReadonlyMap<Segment, Evaluation>> {
  const results = new Map<Segment, Evaluation>();
  const open: Expression[] = [];
  for (const segment of segments) {
    if (segment.kind !== "expression") continue;
    const result = segment.body ? undefined : plainReference(segment.source, inputs);
    if (result === undefined) open.push(segment);
    else results.set(segment, result);
  }
  if (open.length === 0) return results;
  const library = tool.source.requirements.flatMap((requirement) =>
    requirement.type === "javascript" ? (requirement as { expression_lib: string[] }).expression_lib : [],
  );
  const computed = await sandbox.evaluate(inputs, library, open);
  open.forEach((segment, index) => results.set(segment, computed[index]!));
  return results;
}

/** `inputs.a.b[0]` and the like need no engine; undefined for anything else. */
function plainReference(source: string, inputs: InputValues): Evaluation | undefined {
  const match = /^\s*inputs((?:\.[A-Za-z_]\w*|\[\d+\]|\['[^'\\]*'\]|\["[^"\\]*"\])*)\s*$/.exec(source);
  if (match === null) return undefined;
  let value: unknown = inputs;
  for (const [, name, index, single, double] of match[1]!.matchAll(
    /\.(\w+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]/g,
  )) {
    const key = name ?? index ?? single ?? double!;
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text === undefined) return undefined;
  return text.includes("\0") ? { error: "its result holds a NUL character" } : { text };
}

function assemble(
  tool: Tool,
  field: string,
  segments: readonly Segment[],
  results: ReadonlyMap<Segment, Evaluation>,
  shell: boolean,
): string {
  const context = shell ? new ShellContext() : undefined;
  return segments
    .map((segment, index) => {
      if (segment.kind === "text") {
        context?.text(segment.text);
        return segment.text;
      }
      const result = results.get(segment)!;
      const fail = (reason: string) => {
        const written = segment.body ? `\${${segment.source}}` : `$(${segment.source})`;
        return new ToolExpressionError(
          `tool ${tool.id}, ${field}: the expression ${written.slice(0, 200)} cannot be used: ${reason}`,
        );
      };
      if ("error" in result) throw fail(result.error);
      if (context === undefined) return result.text;
      const following = segments[index + 1];
      try {
        return context.insert(result.text, following?.kind === "text" ? following.text.slice(0, 2) : "");
      } catch (error) {
        if (error instanceof UnsafePlaceError) throw fail(error.message);
        throw error;
      }
    })
    .join("");
}
