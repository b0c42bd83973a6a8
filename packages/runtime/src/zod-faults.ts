import type { z } from "zod";
import { dottedPath, shownValue, suggestion } from "./faults.ts";
import type { Fault } from "./faults.ts";
import type { DocumentPath, PositionedDocument } from "./yaml-document.ts";

type Issue = z.core.$ZodIssue;

/**
 * Turns what zod found into faults at the lines where they stand, one for each unrecognized key.
 *
 * @param options.schema lets an unrecognized key get its "did you mean"
 * @param options.at where in the document the validated value lies (default: it is the whole document)
 */
export function zodFaults(
  error: z.ZodError,
  document: PositionedDocument,
  file: string,
  options: { schema?: z.ZodType; at?: DocumentPath } = {},
): Fault[] {
  const base = options.at ?? [];
  return error.issues.flatMap((issue) => faultsOf(issue, []));

  function faultsOf(issue: Issue, outer: readonly PropertyKey[]): Fault[] {
    const path = [...outer, ...issue.path];
    if (issue.code === "unrecognized_keys") {
      const known = options.schema === undefined ? [] : keysAt(options.schema, path);
      return issue.keys.map((key) =>
        place([...path, key], { message: "unknown key", ...suggestion(key, known) }),
      );
    }
    if (issue.code === "invalid_union" && issue.errors.length > 0) {
      return closest(issue.errors).flatMap((inner) => faultsOf(inner, path));
    }
    return [place(path, describe(issue, valueAt(document.value, [...base, ...path])))];
  }

  function place(path: readonly PropertyKey[], what: { message: string; remedy?: string }): Fault {
    const whole = [...base, ...path].map((step) => (typeof step === "number" ? step : String(step)));
    const position = document.position(whole);
    return { file, ...position, ...(whole.length === 0 ? {} : { key: dottedPath(whole) }), ...what };
  }
}

/** Of a union's alternatives the one that was most likely meant: the one that went wrong deepest, then least often. */
function closest(alternatives: Issue[][]): Issue[] {
  const depth = (issues: Issue[]): number => Math.max(0, ...issues.map((issue) => issue.path.length));
  return alternatives.reduce((best, candidate) => {
    const difference = depth(candidate) - depth(best);
    return difference > 0 || (difference === 0 && candidate.length < best.length) ? candidate : best;
  });
}

function describe(issue: Issue, value: unknown): { message: string; remedy?: string } {
  if (issue.code === "invalid_type") {
    if (value === undefined) return { message: "is required" };
    return { message: `expected ${issue.expected}, got ${shownValue(value)}` };
  }
  if (issue.code === "invalid_value") {
    const choices = issue.values.map(String);
    if (value === undefined) return { message: `is required (${choices.join(", ")})` };
    const meant = typeof value === "string" ? suggestion(value, choices) : {};
    return { message: `expected ${oneOf(choices)}, got ${shownValue(value)}`, ...meant };
  }
  return { message: issue.message };
}

function oneOf(choices: readonly string[]): string {
  return choices.length === 1 ? String(choices[0]) : `one of ${choices.join(", ")}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[step];
  }
  return current;
}

/** The keys that an object schema, or any alternative of a union, knows at `path`. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let reached = [schema as z.core.$ZodType];
  for (const step of path) reached = reached.flatMap(unwrap).flatMap((type) => childOf(type, step));
  return reached.flatMap(unwrap).flatMap((type) => {
    const { def } = type._zod as { def: z.core.$ZodTypeDef };
    return def.type === "object" ? Object.keys((def as z.core.$ZodObjectDef).shape) : [];
  });
}

function childOf(type: z.core.$ZodType, step: PropertyKey): z.core.$ZodType[] {
  const def = type._zod.def;
  if (def.type === "array") return [(def as z.core.$ZodArrayDef).element];
  if (def.type === "record") return [(def as z.core.$ZodRecordDef).valueType];
  if (def.type !== "object") return [];
  const child = (def as z.core.$ZodObjectDef).shape[String(step)];
  return child === undefined ? [] : [child];
}

/** Sees through optional, nullable, default, pipe, lazy and union. */
function unwrap(type: z.core.$ZodType): z.core.$ZodType[] {
  const def = type._zod.def;
  if (def.type === "union") return (def as z.core.$ZodUnionDef).options.flatMap(unwrap);
  if (def.type === "lazy") return unwrap((def as z.core.$ZodLazyDef).getter());
  if (def.type === "pipe") return unwrap((def as z.core.$ZodPipeDef).in);
  const inner = "innerType" in def ? (def.innerType as z.core.$ZodType | undefined) : undefined;
  return inner === undefined ? [type] : unwrap(inner);
}
