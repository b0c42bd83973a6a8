import { parseExpressionAt, type Pattern } from "acorn";
import type { RuleFunction } from "./rule-modules.ts";

/** A rule asks for something that there is not. */
export class UnknownArgumentError extends Error {
  override readonly name = "UnknownArgumentError";
}

/**
 * What a rule is called with: for each parameter what has its name (galaxy.md 3.9), and everything for one that is taken apart
 * (`{ user, tool }`).
 * @throws UnknownArgumentError for a parameter without a default that names nothing
 */
export function argumentsOf(rule: RuleFunction, offered: Readonly<Record<string, unknown>>): unknown[] {
  return parametersOf(rule).map((parameter) => {
    const optional = parameter.type === "AssignmentPattern";
    const pattern = parameter.type === "AssignmentPattern" ? parameter.left : parameter;
    if (pattern.type === "ObjectPattern") return offered;
    if (pattern.type !== "Identifier")
      throw new UnknownArgumentError(
        "a rule has parameters with names, or one that is taken apart: { user, tool }",
      );
    if (Object.hasOwn(offered, pattern.name)) return offered[pattern.name];
    if (optional) return undefined;
    throw new UnknownArgumentError(
      `the rule asks for ${pattern.name}, which there is not; there are ${Object.keys(offered).join(", ")}`,
    );
  });
}

function parametersOf(rule: RuleFunction): readonly Pattern[] {
  const source = rule.toString();
  // A method's text is no expression by itself.
  for (const text of [`(${source})`, `({${source}})`]) {
    try {
      const expression = parseExpressionAt(text, 0, { ecmaVersion: "latest" });
      if (expression.type === "FunctionExpression" || expression.type === "ArrowFunctionExpression")
        return expression.params;
      const [member] = expression.type === "ObjectExpression" ? expression.properties : [];
      if (member?.type === "Property" && member.value.type === "FunctionExpression")
        return member.value.params;
    } catch {
      continue;
    }
  }
  throw new UnknownArgumentError("the parameters of the rule cannot be read: write it as a plain function");
}
