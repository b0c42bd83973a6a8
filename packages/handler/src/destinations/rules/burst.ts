import type { DynamicRule } from "@galaxy-jobs/runtime";
import { chooseFrom } from "./choose-one.ts";
import type { JobCounter, RuleDecision } from "./rule.ts";

/** To `from` as long as there is room for one more job, else to `to` (galaxy.md 3.9). */
export async function burst(
  { from, to, most, states }: DynamicRule & { readonly type: "burst" },
  jobs: JobCounter,
): Promise<RuleDecision> {
  const count = await jobs.count({ names: from, states });
  const places = from.join(", ");
  const said = `${places} has ${count} ${states.join(" or ")} of ${most} before jobs go to ${to}`;
  return count + 1 > most
    ? { verdict: "to", to, reason: `burst: ${said}` }
    : { verdict: "to", to: chooseFrom(from), reason: said };
}
