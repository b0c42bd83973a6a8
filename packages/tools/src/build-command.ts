import type { ExpressionSandbox, Evaluation } from "./expression-sandbox.ts";
import { ToolExpressionError } from "./expression-sandbox.ts";
import { ShellContext, UnsafePlaceError } from "./shell-context.ts";
import { splitTemplate, type Segment } from "./template.ts";
import type { Tool } from "./tool.ts";
import type { InputValues } from "./input-values.ts";

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
  const render = async (field: string, template: string, shell: boolean): Promise<string> => {
    const segments = splitTemplate(template);
    const results = await evaluate(segments, tool, inputs, sandbox);
    return assemble(tool, field, segments, results, shell);
  };
  const commandLine = await render("shell_command", tool.source.shell_command, true);
  const configFiles: { path: string; content: string }[] = [];
  for (const [index, file] of tool.source.configfiles.entries()) {
    const path = file.filename ?? file.name ?? `configfile_${index + 1}`;
    configFiles.push({
      path,
      content: await render(`configfiles[${index}].content`, file.content, isShellFile(path, file.content)),
    });
  }
  return { commandLine, configFiles };
}

/** Whether a config file is a shell script, in which results are inserted by their place. */
export function isShellFile(path: string, content: string): boolean {
  return /\.(sh|bash)$/.test(path) || /^#!\s*\S*(\/|\s)(ba|da)?sh\b/.test(content);
}

async function evaluate(
  segments: readonly Segment[],
  tool: Tool,
  inputs: InputValues,
  sandbox: ExpressionSandbox,
): Promise<Evaluation[]> {
  const expressions = segments.filter((segment) => segment.kind === "expression");
  const results = expressions.map(({ source, body }) => (body ? undefined : plainReference(source, inputs)));
  const open = expressions.filter((_, index) => results[index] === undefined);
  if (open.length === 0) return results as Evaluation[];
  const library = tool.source.requirements.flatMap((requirement) =>
    requirement.type === "javascript" ? (requirement as { expression_lib: string[] }).expression_lib : [],
  );
  const computed = [...(await sandbox.evaluate(inputs, library, open))];
  return results.map((result) => result ?? computed.shift()!);
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
  return text.includes("\0") ? { error: "its result holds a NUL character" } : { text };
}

function assemble(
  tool: Tool,
  field: string,
  segments: readonly Segment[],
  results: Evaluation[],
  shell: boolean,
): string {
  const context = shell ? new ShellContext() : undefined;
  const remaining = [...results];
  return segments
    .map((segment, index) => {
      if (segment.kind === "text") {
        context?.text(segment.text);
        return segment.text;
      }
      const result = remaining.shift()!;
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
