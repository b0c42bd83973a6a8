import type { Destination } from "../job-config.ts";
import { list, WrongValue } from "../option-kinds.ts";

/**
 * Ids of the destinations that jobs are sent to as far as job_conf says it: from `names` (ids and tags), and on by rules of
 * resubmission and by parameters of dynamic destinations. A rule in JavaScript may name any.
 */
export function reachedDestinations(
  destinations: Readonly<Record<string, Destination>>,
  names: readonly string[],
): Set<string> {
  const reached = new Set<string>();
  const open = [...names];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const destination of Object.values(destinations)) {
      if (reached.has(destination.id) || ![destination.id, ...destination.tags].includes(name)) continue;
      reached.add(destination.id);
      open.push(...(runsCode(destination) ? Object.keys(destinations) : namedBy(destination)));
    }
  }
  return reached;
}

function runsCode({ runner, params }: Destination): boolean {
  return runner === "dynamic" && params["type"] === "javascript";
}

function namedBy({ runner, params, resubmit }: Destination): string[] {
  const byRules = resubmit.flatMap(({ destination }) => destination ?? []);
  if (runner !== "dynamic") return byRules;
  // destination_ids, to_destination_id and their like (galaxy.md 3.9).
  const byParams = Object.entries(params)
    .filter(([key]) => key.includes("destination"))
    .flatMap(([, value]) => namesIn(value));
  return [...byRules, ...byParams];
}

function namesIn(value: unknown): readonly string[] {
  try {
    return list.read(value);
  } catch (error) {
    if (error instanceof WrongValue) return [];
    throw error;
  }
}
