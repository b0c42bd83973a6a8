import { didYouMean } from "../faults.ts";

/** What a condition or delay may name (galaxy.md 3.8). */
export const FACT_NAMES = [
  "walltime_reached",
  "memory_limit_reached",
  "unknown_error",
  "tool_detected_failure",
  "any_failure",
  "any_potential_job_failure",
  "attempt",
  "seconds_running",
  "seconds_since_queued",
] as const;

export type FactName = (typeof FACT_NAMES)[number];
export type Value = number | string | boolean | null;

const COMPARISONS = ["<=", ">=", "==", "!=", "<", ">"] as const;
const ARITHMETIC = ["**", "//", "+", "-", "*", "/", "%"] as const;

export type Comparison = (typeof COMPARISONS)[number];
export type Arithmetic = (typeof ARITHMETIC)[number];

/** An expression as a tree. `at` is the place of its operator, 1-based. */
export type Expression =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "fact"; readonly name: FactName }
  | { readonly kind: "not"; readonly operand: Expression }
  | { readonly kind: "sign"; readonly sign: 1 | -1; readonly operand: Expression; readonly at: number }
  | { readonly kind: "and" | "or"; readonly operands: readonly Expression[] }
  | {
      readonly kind: "compare";
      readonly first: Expression;
      readonly rest: readonly {
        readonly operator: Comparison;
        readonly operand: Expression;
        readonly at: number;
      }[];
    }
  | {
      readonly kind: "arithmetic";
      readonly operator: Arithmetic;
      readonly left: Expression;
      readonly right: Expression;
      readonly at: number;
    };

/** An expression that cannot be read, or has no value for the facts at hand. */
export class ResubmitExpressionError extends Error {
  /** Of the character that is wrong, 1-based. */
  readonly position: number;
  constructor(message: string, position: number) {
    super(`${message}, at character ${position}`);
    this.name = "ResubmitExpressionError";
    this.position = position;
  }
}

/** Longer ones, and deeper ones, are no condition that a person wrote; the bounds keep the reader's recursion shallow. */
const MOST_CHARACTERS = 2_000;
const MOST_DEPTH = 60;

/**
 * Reads a condition or delay of a resubmission rule: the subset of Python's expressions that Galaxy allows (galaxy.md 3.8).
 * Comparisons (chained too), and/or/not, + - * / // % **, parentheses, numbers, texts, True, False, None and the names of facts.
 * @throws ResubmitExpressionError
 */
export function parseResubmitExpression(text: string): Expression {
  if (text.length > MOST_CHARACTERS)
    throw new ResubmitExpressionError(`longer than ${MOST_CHARACTERS} characters`, MOST_CHARACTERS + 1);
  return new Reader(text).whole();
}

interface Token {
  readonly kind: "number" | "text" | "word" | "sign" | "end";
  readonly text: string;
  readonly at: number;
}

const TOKEN =
  /\s*(?:(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<text>'(?:[^'\\]|\\['"\\])*'|"(?:[^"\\]|\\['"\\])*")|(?<word>[A-Za-z_]\w*)|(?<sign>\*\*|\/\/|<=|>=|==|!=|[-+*/%<>()]))/y;

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let next = 0;
  while (text.slice(next).trim() !== "") {
    TOKEN.lastIndex = next;
    const groups = TOKEN.exec(text)?.groups;
    const start = next + text.slice(next).search(/\S/);
    if (groups === undefined)
      throw new ResubmitExpressionError(`${JSON.stringify(text[start])} is not understood`, start + 1);
    const kind = (["number", "text", "word", "sign"] as const).find((name) => groups[name] !== undefined)!;
    found.push({ kind, text: groups[kind]!, at: start + 1 });
    next = TOKEN.lastIndex;
  }
  return [...found, { kind: "end", text: "", at: text.trimEnd().length + 1 }];
}

/** One method for each level of precedence, loosest first, as in Python's grammar. */
class Reader {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = tokens(text);
  }

  whole(): Expression {
    const expression = this.#or();
    const rest = this.#peek();
    if (rest.kind !== "end") throw this.#unexpected(rest);
    return expression;
  }

  #or(): Expression {
    return this.#chain("or", () => this.#chain("and", () => this.#not()));
  }

  #chain(word: "and" | "or", operand: () => Expression): Expression {
    const operands = [operand()];
    while (this.#takeWord(word)) operands.push(operand());
    return operands.length === 1 ? operands[0]! : { kind: word, operands };
  }

  #not(): Expression {
    if (!this.#takeWord("not")) return this.#comparison();
    return this.#deeper(() => ({ kind: "not", operand: this.#not() }));
  }

  #comparison(): Expression {
    const first = this.#sum();
    const rest = [];
    for (let token = this.#takeSign(COMPARISONS); token !== undefined; token = this.#takeSign(COMPARISONS))
      rest.push({ operator: token.text as Comparison, operand: this.#sum(), at: token.at });
    return rest.length === 0 ? first : { kind: "compare", first, rest };
  }

  #sum(): Expression {
    return this.#leftToRight(["+", "-"], () =>
      this.#leftToRight(["*", "/", "//", "%"], () => this.#signed()),
    );
  }

  #leftToRight(operators: readonly Arithmetic[], operand: () => Expression): Expression {
    let left = operand();
    for (let token = this.#takeSign(operators); token !== undefined; token = this.#takeSign(operators))
      left = {
        kind: "arithmetic",
        operator: token.text as Arithmetic,
        left,
        right: operand(),
        at: token.at,
      };
    return left;
  }

  #signed(): Expression {
    const token = this.#takeSign(["-", "+"]);
    if (token === undefined) return this.#power();
    return this.#deeper(() => ({
      kind: "sign",
      sign: token.text === "-" ? -1 : 1,
      operand: this.#signed(),
      at: token.at,
    }));
  }

  /** Binds closer than a sign on its left and looser than one on its right: -2 ** -2 is -(2 ** (-2)). */
  #power(): Expression {
    const left = this.#atom();
    const token = this.#takeSign(["**"]);
    if (token === undefined) return left;
    return this.#deeper(() => ({
      kind: "arithmetic",
      operator: "**",
      left,
      right: this.#signed(),
      at: token.at,
    }));
  }

  #atom(): Expression {
    const token = this.#take();
    switch (token.kind) {
      case "number":
        if (/^0\d/.test(token.text) && !token.text.includes("."))
          throw new ResubmitExpressionError("a number does not begin with 0", token.at);
        return { kind: "value", value: finite(Number(token.text), token.at) };
      case "text":
        return { kind: "value", value: token.text.slice(1, -1).replaceAll(/\\(.)/g, "$1") };
      case "word":
        return this.#named(token);
      case "sign":
        if (token.text === "(") return this.#parenthesized();
        throw this.#unexpected(token);
      case "end":
        throw this.#unexpected(token);
    }
  }

  #parenthesized(): Expression {
    const inner = this.#deeper(() => this.#or());
    const close = this.#take();
    if (close.text !== ")" || close.kind !== "sign")
      throw new ResubmitExpressionError(`expected ), got ${shown(close)}`, close.at);
    return inner;
  }

  #named(token: Token): Expression {
    const { text, at } = token;
    if (text === "True" || text === "False") return { kind: "value", value: text === "True" };
    if (text === "None") return { kind: "value", value: null };
    if (["and", "or", "not"].includes(text)) throw this.#unexpected(token);
    const name = FACT_NAMES.find((fact) => fact === text);
    if (name === undefined) {
      const meant = didYouMean(text, [...FACT_NAMES, "True", "False", "None"]);
      throw new ResubmitExpressionError(
        `there is no name ${text}${meant === undefined ? "" : ` (did you mean ${meant}?)`}`,
        at,
      );
    }
    if (this.#peek().text === "(" && this.#peek().kind === "sign")
      throw new ResubmitExpressionError("nothing can be called here", this.#peek().at);
    return { kind: "fact", name };
  }

  #deeper<T>(read: () => T): T {
    if (this.#depth >= MOST_DEPTH)
      throw new ResubmitExpressionError(`nested deeper than ${MOST_DEPTH}`, this.#peek().at);
    this.#depth += 1;
    const result = read();
    this.#depth -= 1;
    return result;
  }

  #peek(): Token {
    return this.#tokens[this.#next]!;
  }

  #take(): Token {
    const token = this.#peek();
    if (token.kind !== "end") this.#next += 1;
    return token;
  }

  #takeWord(word: string): boolean {
    const found = this.#peek().kind === "word" && this.#peek().text === word;
    if (found) this.#next += 1;
    return found;
  }

  #takeSign(among: readonly string[]): Token | undefined {
    const token = this.#peek();
    if (token.kind !== "sign" || !among.includes(token.text)) return undefined;
    this.#next += 1;
    return token;
  }

  #unexpected(token: Token): ResubmitExpressionError {
    return new ResubmitExpressionError(`${shown(token)} is not expected here`, token.at);
  }
}

function shown(token: Token): string {
  return token.kind === "end" ? "the end" : token.text;
}

/** @throws ResubmitExpressionError for what no number can hold */
export function finite(number: number, at: number): number {
  if (Number.isFinite(number)) return number;
  throw new ResubmitExpressionError("the number is too large, or none", at);
}
