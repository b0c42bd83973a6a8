/*
How an expression's result is put into a shell command.

Galaxy inserts results literally and leaves the quoting to the author. Here they are inserted by their place, as HTML templates
do it, so that no value can change the structure of a command, and Galaxy's examples run unchanged:

  place                       what happens to the result
  outside quotes              letters, digits, blanks and _@%+=:,./- stand as they are (it may be several words);
                              anything else becomes one single-quoted word
  '…'                         a quote in it closes, is escaped, and opens again
  "…"                         \ " $ ` get a backslash
  # comment                   line ends become blanks
  here-document               \ $ ` get a backslash unless the delimiter is quoted; a line that would equal the delimiter is refused
  \$(…) command substitution  by the place inside it
  \$((…)) arithmetic          only a plain number is let through
  `…`, \${…}, $'…', after \   refused: no insertion there is safe; likewise right after $ or $NAME

To know the place, this file reads the command as a shell does, with a stack of what is open. Results never reach the reader: what
is inserted cannot open or close anything, so the state behind a result is the state before it.

At the start of a command a result must not become a reserved word or an assignment: its first word is then quoted. The value of an
assignment (NAME=…) and the target of a redirection stay one word. Where the reader may lose track (a case in a substitution, quotes
in arithmetic), every later place is refused rather than guessed.
*/

import { HereDocuments } from "./here-documents.ts";
import { UnsafePlaceError } from "./unsafe-place-error.ts";

type Frame =
  | { readonly kind: "command"; readonly closer: ")" | "" }
  | { readonly kind: "single" }
  | { readonly kind: "double" }
  | { readonly kind: "ansi" }
  | { readonly kind: "backquote" }
  | { readonly kind: "parameter" }
  | { readonly kind: "arithmetic"; depth: number }
  | { readonly kind: "comment" };

function isAssignment(word: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*\+?=/.test(word);
}

const reserved = new Set(
  "if then elif else fi do done case esac while until for in select function time coproc { } ! [[ ]]".split(
    " ",
  ),
);

/** Reads a command piece by piece, and fits results to the places between the pieces. */
export class ShellContext {
  readonly #stack: Frame[] = [{ kind: "command", closer: "" }];
  #wordStart = true;
  #commandStart = true;
  #word = "";
  #escaped = false;
  /** The text right before this place, as far as it could join with a result. */
  #tail = "";
  #afterRedirection = false;
  /** Why the places from here on are not known for sure. */
  #lost: string | undefined;
  readonly #here = new HereDocuments();

  /** Reads literal text. */
  text(text: string): void {
    for (let i = 0; i < text.length; i += 1) i += this.#character(text[i]!, text.slice(i + 1, i + 3));
    this.#tail = text.slice(-200);
  }

  /**
   * The result as it must stand at this place.
   * @param following the literal text that comes next, since it can join with the result
   * @throws UnsafePlaceError
   */
  insert(result: string, following = ""): string {
    this.checkPlace();
    this.#tail = "";
    if (this.#here.isOpen) return this.#here.insert(result);
    const top = this.#top();
    switch (top.kind) {
      case "single":
        return result.replaceAll("'", String.raw`'\''`);
      case "double":
        return result.replaceAll(/[\\"$`]/g, String.raw`\$&`);
      case "comment":
        return result.replaceAll(/[\r\n]/g, " ");
      case "arithmetic":
        if (!/^[+-]?\d+(\.\d+)?$/.test(result))
          throw new UnsafePlaceError(
            `only a plain number may stand in $((…)), not ${JSON.stringify(result.slice(0, 60))}`,
          );
        return result;
      default:
        return this.#insertUnquoted(result, following);
    }
  }

  /** @throws UnsafePlaceError when nothing could be inserted here, whatever the result */
  checkPlace(): void {
    const refuse = (what: string, remedy: string) => {
      throw new UnsafePlaceError(`an expression ${what} cannot be inserted safely; ${remedy}`);
    };
    const variable = "put it into a shell variable first: value='$(…)'";
    if (this.#lost !== undefined) refuse(`after ${this.#lost}`, variable);
    if (
      this.#top().kind !== "single" &&
      this.#top().kind !== "comment" &&
      !this.#here.isLiteral &&
      /(^|[^\\])(\\\\)*\$[A-Za-z0-9_]*$/.test(this.#tail)
    ) {
      refuse("right after $", String.raw`write \${NAME} for a variable, or put a blank between`);
    }
    if (this.#here.refusal !== undefined) refuse(...this.#here.refusal);
    if (this.#escaped)
      refuse("right after a backslash", "remove the backslash or put the expression in quotes");
    if (this.#here.readsDelimiter) refuse("in the delimiter of a here-document", "write the delimiter out");
    if (this.#here.isOpen) return;
    if (this.#stack.some(({ kind }) => kind === "backquote"))
      refuse("inside `…`", String.raw`write \$(…) instead of backquotes`);
    if (this.#stack.some(({ kind }) => kind === "parameter")) refuse(String.raw`inside \${…}`, variable);
    if (this.#top().kind === "ansi") refuse("inside $'…'", "use '…'");
  }

  /** @throws UnsafePlaceError when the command ends where it should not, e.g. in a quote */
  end(): void {
    const top = this.#top();
    if (top.kind === "comment") return;
    if (this.#stack.length > 1)
      throw new UnsafePlaceError(`the command ends inside ${nameOf(top)}: close it`);
  }

  #top(): Frame {
    return this.#stack.at(-1)!;
  }

  #insertUnquoted(result: string, following: string): string {
    const word = this.#word;
    const atStart = this.#commandStart;
    const oneWord = this.#afterRedirection || (atStart && isAssignment(word));
    const joins = /^[<>]/.test(following) || (atStart && /^\+?=/.test(following));
    const plain = /^[A-Za-z0-9 \t_@%+=:,./-]*$/.test(result) && !joins && !(oneWord && /[ \t]/.test(result));
    this.#noteWord(result, plain);
    if (!plain) return `'${result.replaceAll("'", String.raw`'\''`)}'`;
    if (!atStart || oneWord) return result;
    const lead = result.trimStart().split(/[ \t]/)[0] ?? "";
    const whole = /^[ \t]/.test(result) ? lead : word + lead;
    return lead !== "" && (reserved.has(whole) || isAssignment(whole))
      ? result.replace(lead, `'${lead}'`)
      : result;
  }

  /** A result is never a reserved word or an assignment, so whatever word it makes is the command's own. */
  #noteWord(result: string, plain: boolean): void {
    if (plain && result.trim() === "") {
      if (result !== "") this.#endWord();
      return;
    }
    if (isAssignment(this.#word)) {
      this.#word += "x";
      return;
    }
    this.#commandStart = this.#commandStart && !(plain && /[ \t]/.test(result.trimStart()));
    this.#wordStart = false;
    this.#word = "'";
    if (plain && /[ \t]$/.test(result)) this.#endWord();
    this.#afterRedirection = false;
  }

  /** @returns how many of the characters that follow were read with this one */
  #character(c: string, next: string): number {
    if (this.#here.isOpen) return this.#hereCharacter(c, next);
    if (this.#escaped) {
      this.#escaped = false;
      if (this.#here.readsDelimiter) this.#here.delimiterText(c);
      else if (this.#top().kind === "command" && c !== "\n") this.#part(c);
      return 0;
    }
    const top = this.#top();
    switch (top.kind) {
      case "single":
        if (c === "'") this.#stack.pop();
        return 0;
      case "ansi":
        if (c === "\\") this.#escaped = true;
        else if (c === "'") this.#stack.pop();
        return 0;
      case "comment":
        if (c !== "\n") return 0;
        this.#stack.pop();
        return this.#character(c, next);
      case "double":
        if (c === "\\") this.#escaped = true;
        else if (c === '"') this.#stack.pop();
        else return this.#expansion(c, next);
        return 0;
      case "backquote":
        if (c === "\\") this.#escaped = true;
        else if (c === "`") this.#stack.pop();
        return 0;
      case "parameter":
        if (c === "\\") this.#escaped = true;
        else if (c === "}") this.#stack.pop();
        else if (c === "'" || c === '"') this.#lost = String.raw`quotes inside \${…}`;
        else return this.#expansion(c, next);
        return 0;
      case "arithmetic":
        if (c === "'" || c === '"' || c === "\\" || c === "#") this.#lost = "quotes inside $((…))";
        if (c === "(") top.depth += 1;
        else if (c === ")") {
          top.depth -= 1;
          if (top.depth === 0) this.#stack.pop();
        } else return this.#expansion(c, next);
        return 0;
      case "command":
        return this.#commandCharacter(c, next, top);
    }
  }

  #commandCharacter(c: string, next: string, top: { closer: ")" | "" }): number {
    if (this.#here.readsDelimiter) return this.#delimiterCharacter(c);
    if (c === "\\") {
      this.#escaped = true;
      return 0;
    }
    if (c === " " || c === "\t" || c === "\r") {
      this.#endWord();
      return 0;
    }
    if (c === "\n") {
      this.#endWord();
      this.#newCommand();
      this.#here.begin();
      return 0;
    }
    if (c === "#" && this.#wordStart) {
      this.#stack.push({ kind: "comment" });
      return 0;
    }
    if (c === "'" || c === '"') {
      this.#part(c);
      this.#stack.push({ kind: c === "'" ? "single" : "double" });
      return 0;
    }
    if (c === ")" && top.closer === ")") {
      this.#stack.pop();
      this.#part(c);
      this.#wordStart = false;
      return 0;
    }
    if (c === "(" && next.startsWith("(") && this.#wordStart) {
      this.#stack.push({ kind: "arithmetic", depth: 2 });
      return 1;
    }
    if (c === "(") {
      this.#stack.push({ kind: "command", closer: ")" });
      this.#newCommand();
      return 0;
    }
    if (c === ";" || c === "|" || c === "&" || c === ")") {
      this.#endWord();
      this.#newCommand();
      return 0;
    }
    if (c === "<" && next.startsWith("<") && next[1] !== "<") {
      const stripTabs = next[1] === "-";
      this.#here.awaitDelimiter(stripTabs);
      return stripTabs ? 2 : 1;
    }
    if (c === "<" && next.startsWith("<<")) {
      this.#endWord();
      return 2;
    }
    if (c === "<" || c === ">") {
      // What follows a redirection is a file name, not a command.
      const atStart = this.#commandStart;
      this.#endWord();
      this.#commandStart = atStart;
      this.#afterRedirection = true;
      return 0;
    }
    return this.#expansion(c, next);
  }

  /** `$…` and backquotes, which mean the same outside quotes, in "…" and in arithmetic. */
  #expansion(c: string, next: string): number {
    if (c === "`") {
      this.#part(c);
      this.#stack.push({ kind: "backquote" });
      return 0;
    }
    if (c === "$" && next === "((") {
      this.#part(c);
      this.#stack.push({ kind: "arithmetic", depth: 2 });
      return 2;
    }
    if (c === "$" && next.startsWith("(")) {
      if (this.#here.arePending) this.#lost = "a substitution on the line of a here-document";
      this.#part(c);
      this.#stack.push({ kind: "command", closer: ")" });
      this.#newCommand();
      return 1;
    }
    if (c === "$" && next.startsWith("{")) {
      this.#part(c);
      this.#stack.push({ kind: "parameter" });
      return 1;
    }
    if (c === "$" && next.startsWith("'") && this.#top().kind === "command") {
      this.#part(c);
      this.#stack.push({ kind: "ansi" });
      return 1;
    }
    this.#part(c);
    return 0;
  }

  #part(c: string): void {
    if (this.#top().kind !== "command") return;
    this.#word += c;
    this.#wordStart = false;
  }

  #endWord(): void {
    if (this.#word !== "") {
      this.#afterRedirection = false;
      if (this.#word === "case" && this.#stack.length > 1) this.#lost = "case inside (…)";
      // An assignment or a word like `then` leaves the next word at the start of a command.
      const opens = reserved.has(this.#word) || isAssignment(this.#word);
      if (this.#commandStart && !opens) this.#commandStart = false;
    }
    this.#word = "";
    this.#wordStart = true;
  }

  #newCommand(): void {
    this.#afterRedirection = false;
    this.#word = "";
    this.#wordStart = true;
    this.#commandStart = true;
  }

  #delimiterCharacter(c: string): number {
    const found = this.#here.delimiterCharacter(c);
    if (found === "escape") this.#escaped = true;
    return found === "over" ? this.#character(c, "") : 0;
  }

  #hereCharacter(c: string, next: string): number {
    if (this.#here.character(c, next)) {
      this.#newCommand();
      this.#here.begin();
    }
    return 0;
  }
}

function nameOf(frame: Frame): string {
  const names = {
    command: "(…)",
    single: "'…'",
    double: '"…"',
    ansi: "$'…'",
    backquote: "`…`",
    parameter: "${…}",
    arithmetic: "$((…))",
    comment: "a comment",
  };
  return names[frame.kind];
}
