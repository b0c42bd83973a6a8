import { evaluateResubmitExpression, type FailureFacts } from "../../resubmit-expression/evaluate.ts";
import { parseResubmitExpression, ResubmitExpressionError } from "../../resubmit-expression/parse.ts";
import { text, WrongValue, type OptionKind } from "../option-kinds.ts";
import type { ResubmitRule } from "../job-config.ts";
import type { Place } from "./place.ts";

/** A failure to try expressions with; the times are such as no expression singles out. */
const SAMPLE: FailureFacts = {
  walltime_reached: true,
  memory_limit_reached: true,
  unknown_error: true,
  tool_detected_failure: true,
  any_failure: true,
  any_potential_job_failure: true,
  attempt: 1,
  seconds_running: 61.5,
  seconds_since_queued: 62.5,
};

/** When a failed job is tried again, in the language of galaxy.md 3.8; tried once, so that a fault shows at the start. */
export const resubmitCondition: OptionKind<string> = {
  read(raw) {
    const written = text.read(raw);
    tryOut(written);
    return written;
  },
};

/** Seconds, or an expression for them. */
export const resubmitDelay: OptionKind<string> = {
  read(raw) {
    const written = text.read(raw);
    const seconds = tryOut(written);
    if (typeof seconds !== "number" || seconds < 0)
      throw new WrongValue(`expected seconds, or an expression for them, got ${JSON.stringify(written)}`);
    return written;
  },
};

/** One rule of `resubmit` (galaxy.md 3.8). */
export function readRule(rule: Place): ResubmitRule {
  rule.onlyKeys(["condition", "environment", "destination", "handler", "delay"]);
  const condition = rule.get("condition").read(resubmitCondition);
  const destination = rule.get("environment").text() ?? rule.get("destination").text();
  const handler = rule.get("handler").text();
  const delay = rule.get("delay").read(resubmitDelay);
  return {
    ...(condition === undefined ? {} : { condition }),
    ...(destination === undefined ? {} : { destination }),
    ...(handler === undefined ? {} : { handler }),
    ...(delay === undefined ? {} : { delay }),
  };
}

/** A rule that leads back to where it stands, whatever number the attempt has. */
export function warnOfEndlessness(rule: Place): void {
  const leadsAway = ["environment", "destination"].some((key) => !rule.get(key).isEmpty);
  if (leadsAway || /\battempt\b/.test(String(rule.get("condition").raw ?? ""))) return;
  rule.warn(
    "a job that fails each time is tried again for ever: the rule has no environment and no bound on attempts",
    "write for example condition: attempt < 3",
  );
}

function tryOut(written: string) {
  try {
    return evaluateResubmitExpression(parseResubmitExpression(written), SAMPLE);
  } catch (error) {
    if (!(error instanceof ResubmitExpressionError)) throw error;
    throw new WrongValue(`${JSON.stringify(written)}: ${error.message}`);
  }
}
