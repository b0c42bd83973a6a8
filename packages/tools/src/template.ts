/** A piece of a template: text as it will stand, or an expression whose result is to be put there. */
export type Segment =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "expression"; readonly source: string; readonly body: boolean; readonly offset: number };

/** A template that cannot be read. `offset` counts characters from its start. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/**
 * Splits a text with `$( expression )` and `${ function body }` (galaxy.md 7.5). A backslash before either keeps it as text;
 * if the text has an expression at all, two backslashes become one.
 * @throws TemplateError for an expression without an end
 */
export function splitTemplate(template: string): Segment[] {
  const segments: Segment[] = [];
  let plain = "";
  let found = false;
  let i = 0;
  while (i < template.length) {
    const two = template.slice(i, i + 2);
    const three = template.slice(i, i + 3);
    if (two === "\\\\") {
      plain += "\\\\";
      i += 2;
    } else if (three === "\\$(" || three === "\\${") {
      plain += `\0${three.slice(1)}`;
      i += 3;
    } else if (two === "$(" || two === "${") {
      found = true;
      const end = endOfExpression(template, i + 1);
      if (plain !== "") segments.push({ kind: "text", text: plain });
      plain = "";
      segments.push({
        kind: "expression",
        source: template.slice(i + 2, end),
        body: two === "${",
        offset: i,
      });
      i = end + 1;
    } else {
      plain += template[i];
      i += 1;
    }
  }
  if (plain !== "") segments.push({ kind: "text", text: plain });
  // An escaped dollar was marked with NUL until it is known whether escapes are processed.
  return segments.map((segment) => {
    if (segment.kind === "expression") return segment;
    return {
      kind: "text",
      text:
        found || segment.text.includes("\0")
          ? segment.text.replaceAll("\\\\", "\\").replaceAll("\0", "")
          : segment.text,
    };
  });
}

/** @returns where the bracket at `open` is closed, by JavaScript's rules for strings, comments and regular expressions */
function endOfExpression(template: string, open: number): number {
  const closers: string[] = [];
  let significant = "";
  let i = open;
  while (i < template.length) {
    const c = template[i]!;
    if (c === "(" || c === "[" || c === "{") {
      closers.push(c === "(" ? ")" : c === "[" ? "]" : "}");
    } else if (c === ")" || c === "]" || c === "}") {
      if (closers.pop() !== c) throw new TemplateError(`unexpected ${c} in an expression`, i);
      if (closers.length === 0) return i;
    } else if (c === '"' || c === "'") {
      i = endOfQuoted(template, i, c);
    } else if (c === "`") {
      i = endOfTemplateLiteral(template, i);
    } else if (c === "/" && template[i + 1] === "/") {
      const end = template.indexOf("\n", i);
      if (end < 0) break;
      i = end;
    } else if (c === "/" && template[i + 1] === "*") {
      const end = template.indexOf("*/", i + 2);
      if (end < 0) break;
      i = end + 1;
    } else if (c === "/" && startsRegExp(significant)) {
      i = endOfRegExp(template, i);
    }
    if (!/\s/.test(c)) significant = /[\w$]/.test(c) && /[\w$]$/.test(significant) ? significant + c : c;
    i += 1;
  }
  throw new TemplateError("this expression has no end", open - 1);
}

function startsRegExp(before: string): boolean {
  return (
    before === "" ||
    /[(,=:[!&|?{};+\-*%<>~^]$/.test(before) ||
    /^(return|typeof|case|in|of|delete|void|throw)$/.test(before)
  );
}

function endOfQuoted(template: string, start: number, quote: string): number {
  for (let i = start + 1; i < template.length; i += 1) {
    if (template[i] === "\\") i += 1;
    else if (template[i] === quote) return i;
  }
  throw new TemplateError("a string in this expression has no end", start);
}

function endOfTemplateLiteral(template: string, start: number): number {
  for (let i = start + 1; i < template.length; i += 1) {
    if (template[i] === "\\") i += 1;
    else if (template[i] === "`") return i;
    else if (template[i] === "$" && template[i + 1] === "{") i = endOfExpression(template, i + 1);
  }
  throw new TemplateError("a template literal in this expression has no end", start);
}

function endOfRegExp(template: string, start: number): number {
  let inClass = false;
  for (let i = start + 1; i < template.length; i += 1) {
    const c = template[i];
    if (c === "\\") i += 1;
    else if (c === "\n") break;
    else if (c === "[") inClass = true;
    else if (c === "]") inClass = false;
    else if (c === "/" && !inClass) return i;
  }
  throw new TemplateError("a regular expression in this expression has no end", start);
}
