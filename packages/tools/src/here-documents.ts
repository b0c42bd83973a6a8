import { UnsafePlaceError } from "./unsafe-place-error.ts";

interface HereDocument {
  readonly delimiter: string;
  readonly quoted: boolean;
  readonly stripTabs: boolean;
}

/**
 * The here-documents of a command, read character by character: the delimiter after `<<`, the documents that begin when the line
 * ends, and the one that is open.
 */
export class HereDocuments {
  #delimiter:
    | { readonly stripTabs: boolean; text: string; quoted: boolean; quote: string; begun: boolean }
    | undefined;
  readonly #pending: HereDocument[] = [];
  #open:
    | {
        readonly document: HereDocument;
        line: string;
        holdsResult: boolean;
        escaped: boolean;
        unsafe?: string;
      }
    | undefined;

  get readsDelimiter(): boolean {
    return this.#delimiter !== undefined;
  }

  /** Documents that begin at the end of this line. */
  get arePending(): boolean {
    return this.#pending.length > 0;
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** The open document is taken as it stands: nothing in it is expanded. */
  get isLiteral(): boolean {
    return this.#open?.document.quoted === true;
  }

  /** Why nothing may be inserted at this place of the open document, and what to do about it. */
  get refusal(): readonly [what: string, remedy: string] | undefined {
    if (this.#open?.unsafe !== undefined)
      return [
        `after ${this.#open.unsafe} in a here-document`,
        "quote the delimiter, or move it out of the document",
      ];
    if (this.#open?.escaped === true) return ["right after a backslash", "remove the backslash"];
    return undefined;
  }

  /** After `<<` or, with `stripTabs`, `<<-`. */
  awaitDelimiter(stripTabs: boolean): void {
    this.#delimiter = { stripTabs, text: "", quoted: false, quote: "", begun: false };
  }

  /** @returns `escape`: the next character is taken as it is; `over`: the delimiter ended before this character */
  delimiterCharacter(c: string): "read" | "escape" | "over" {
    const delimiter = this.#delimiter!;
    if (delimiter.quote !== "") {
      if (c === delimiter.quote) delimiter.quote = "";
      else delimiter.text += c;
      return "read";
    }
    if (c === "'" || c === '"') {
      delimiter.quote = c;
      delimiter.quoted = true;
      delimiter.begun = true;
      return "read";
    }
    if (c === "\\") {
      delimiter.quoted = true;
      return "escape";
    }
    if (/[\s;|&()<>]/.test(c)) {
      if (!delimiter.begun && (c === " " || c === "\t")) return "read";
      const { text, quoted, stripTabs } = delimiter;
      this.#pending.push({ delimiter: text, quoted, stripTabs });
      this.#delimiter = undefined;
      return "over";
    }
    this.delimiterText(c);
    return "read";
  }

  /** A character of the delimiter that means itself. */
  delimiterText(c: string): void {
    const delimiter = this.#delimiter!;
    delimiter.text += c;
    delimiter.begun = true;
  }

  /** A line has ended: the next document that waits for that begins. */
  begin(): void {
    const document = this.#pending.shift();
    if (document !== undefined) this.#open = { document, line: "", holdsResult: false, escaped: false };
  }

  /** A character of the open document. @returns whether the document ended with it @throws UnsafePlaceError */
  character(c: string, next: string): boolean {
    const open = this.#open!;
    if (!open.document.quoted && c !== "\n") {
      if (!open.escaped && (c === "`" || (c === "$" && /^[({]/.test(next)))) open.unsafe = "an expansion";
      open.escaped = !open.escaped && c === "\\";
    }
    if (c !== "\n") {
      open.line += c;
      return false;
    }
    if (isEnd(open.line, open.document)) {
      if (open.holdsResult) throw endsDocument(open.document);
      this.#open = undefined;
      return true;
    }
    // A line that a backslash joins to the next can still become the delimiter's.
    open.line = open.escaped ? open.line.slice(0, -1) : "";
    open.holdsResult = open.escaped && open.holdsResult;
    open.escaped = false;
    return false;
  }

  /** The result as it must stand in the open document. @throws UnsafePlaceError */
  insert(result: string): string {
    const open = this.#open!;
    const inserted = open.document.quoted ? result : result.replaceAll(/[\\$`]/g, String.raw`\$&`);
    const lines = (open.line + inserted).split("\n");
    if (lines.slice(0, -1).some((line) => isEnd(line, open.document))) throw endsDocument(open.document);
    open.line = lines.at(-1)!;
    open.holdsResult = true;
    return inserted;
  }
}

function isEnd(line: string, { stripTabs, delimiter }: HereDocument): boolean {
  return (stripTabs ? line.replace(/^\t+/, "") : line) === delimiter;
}

function endsDocument({ delimiter }: HereDocument): UnsafePlaceError {
  return new UnsafePlaceError(
    `a value would end the here-document at ${delimiter}; choose another delimiter, or another value`,
  );
}
