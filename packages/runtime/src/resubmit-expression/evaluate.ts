import {
  finite,
  ResubmitExpressionError,
  type Arithmetic,
  type Comparison,
  type Expression,
  type FactName,
  type Value,
} from "./parse.ts";

/** What is known of a failed attempt of a job (galaxy.md 3.8). Times are in seconds. */
export type FailureFacts = Readonly<Record<FactName, number | boolean>>;

/**
 * The value of an expression, by Python's rules: `and` and `or` give one of their operands, a truth value counts as 0 or 1,
 * `//` rounds down and `%` has its divisor's sign.
 * @throws ResubmitExpressionError for an operation that its operands do not have, and for a division by zero
 */
export function evaluateResubmitExpression(expression: Expression, facts: FailureFacts): Value {
  const value = (part: Expression): Value => evaluateResubmitExpression(part, facts);
  switch (expression.kind) {
    case "value":
      return expression.value;
    case "fact":
      return facts[expression.name];
    case "not":
      return !holds(value(expression.operand));
    case "sign":
      return expression.sign * numeric(value(expression.operand), expression.at);
    case "and":
    case "or":
      return junction(expression, value);
    case "compare":
      return comparison(expression, value);
    case "arithmetic":
      return arithmetic(expression.operator, value(expression.left), value(expression.right), expression.at);
  }
}

/** Whether a value counts as true. */
export function holds(value: Value): boolean {
  return value !== null && value !== false && value !== 0 && value !== "";
}

function junction(
  { kind, operands }: Expression & { kind: "and" | "or" },
  value: (part: Expression) => Value,
): Value {
  let last: Value = null;
  for (const operand of operands) {
    last = value(operand);
    if (holds(last) === (kind === "or")) break;
  }
  return last;
}

function comparison(
  { first, rest }: Expression & { kind: "compare" },
  value: (part: Expression) => Value,
): boolean {
  let left = value(first);
  for (const { operator, operand, at } of rest) {
    const right = value(operand);
    if (!compare(operator, left, right, at)) return false;
    left = right;
  }
  return true;
}

function compare(operator: Comparison, left: Value, right: Value, at: number): boolean {
  if (operator === "==") return same(left, right);
  if (operator === "!=") return !same(left, right);
  const [a, b] =
    typeof left === "string" && typeof right === "string"
      ? [left, right]
      : [numeric(left, at), numeric(right, at)];
  switch (operator) {
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
  }
}

function same(left: Value, right: Value): boolean {
  return plain(left) === plain(right);
}

function plain(value: Value): Value {
  return typeof value === "boolean" ? Number(value) : value;
}

function arithmetic(operator: Arithmetic, left: Value, right: Value, at: number): Value {
  if (operator === "+" && typeof left === "string" && typeof right === "string") return left + right;
  const a = numeric(left, at);
  const b = numeric(right, at);
  switch (operator) {
    case "+":
      return finite(a + b, at);
    case "-":
      return finite(a - b, at);
    case "*":
      return finite(a * b, at);
    case "/":
      return finite(a / divisor(b, at), at);
    case "//":
      return finite(Math.floor(a / divisor(b, at)), at);
    case "%": {
      const rest = a % divisor(b, at);
      return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
    }
    case "**":
      return finite(a ** b, at);
  }
}

function divisor(number: number, at: number): number {
  if (number === 0) throw new ResubmitExpressionError("division by zero", at);
  return number;
}

function numeric(value: Value, at: number): number {
  if (typeof value === "number" || typeof value === "boolean") return Number(value);
  const what = value === null ? "None" : `the text ${JSON.stringify(value)}`;
  throw new ResubmitExpressionError(`${what} is not a number`, at);
}
