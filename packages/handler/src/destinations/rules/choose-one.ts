import { createHash } from "node:crypto";
import type { DynamicRule, HashKey } from "@galaxy-jobs/runtime";
import type { RoutedJob, RuleDecision, RuleRequest } from "./rule.ts";

/** One of several destinations: at random, or the same one for all jobs of a user, a history … (galaxy.md 3.9). */
export function chooseOne(
  rule: DynamicRule & { readonly type: "choose_one" },
  { job }: RuleRequest,
): RuleDecision {
  const { among } = rule;
  if (rule.hashBy.length === 0)
    return { verdict: "to", to: chooseFrom(among), reason: `one at random of ${among.join(", ")}` };
  const [key, value] = hashOf(job, rule.hashBy);
  const each = job.id === 0 && key === "job" ? " (another for each job)" : "";
  return {
    verdict: "to",
    to: chooseFrom(among, value),
    reason: `one of ${among.join(", ")} by its ${key}${each}`,
  };
}

/** The same choice for the same value; at random without one. A text counts by its MD5 sum, as in Galaxy. */
export function chooseFrom<T>(list: readonly T[], value?: number | string): T {
  if (value === undefined) return list[Math.floor(Math.random() * list.length)]!;
  const whole =
    typeof value === "number" && Number.isSafeInteger(value) && value >= 0
      ? BigInt(value)
      : BigInt(`0x${createHash("md5").update(String(value)).digest("hex")}`);
  return list[Number(whole % BigInt(list.length))]!;
}

/** The first key that the job has; every job has its id. There are no workflow invocations yet. */
function hashOf(job: RoutedJob, keys: readonly HashKey[]): [HashKey, number] {
  const values: Record<HashKey, number | null> = {
    job: job.id,
    user: job.userId,
    history: job.historyId,
    workflow_invocation: null,
  };
  for (const key of keys) {
    const value = values[key];
    if (value !== null) return [key, value];
  }
  return ["job", job.id];
}
