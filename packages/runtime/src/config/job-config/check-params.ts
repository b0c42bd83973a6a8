import { shownValue, suggestion } from "../../faults.ts";
import { readDestinationSettings } from "../destination-settings.ts";
import { readDynamicRule, type DynamicRule, type RuleFault } from "../dynamic-rule.ts";
import type { Destination, HandlerDefinition, RunnerConfig } from "../job-config.ts";
import { isSlurmRunner, readSlurmSettings } from "../slurm/slurm-settings.ts";
import type { Place } from "./place.ts";

interface Known {
  /** Ids and tags of all destinations. */
  readonly names: ReadonlySet<string>;
  readonly handlers: readonly HandlerDefinition[];
  readonly runners: Readonly<Record<string, RunnerConfig>>;
  /** Whether jobs are sent there, as far as job_conf says it: only then is something wrong a fault. */
  readonly isReached: boolean;
}

/** What the parameters of a destination say to the handler itself, and for a dynamic one its rule (galaxy.md 3.5, 3.9). */
export function checkParams(destination: Destination, settings: Place, known: Known): void {
  const { runner, params } = destination;
  const at = (key: string) => {
    const among = settings.get("params").get(key);
    return among.isEmpty ? settings.get(key) : among;
  };
  const { settings: meant, faults } = readDestinationSettings(params);
  report(faults, at, known);
  if (meant.requireContainer)
    at("require_container").warn("jobs run without containers here: every job of this destination will fail");
  for (const key of ["docker_enabled", "singularity_enabled"])
    if (String(params[key]).toLowerCase() === "true")
      at(key).warn("jobs run without containers here: their commands run on the machine itself");
  if (runner === "dynamic") checkRule(destination, settings, at, known);
  else warnOfRunner(runner, settings, known);
  checkSlurm(known.runners[runner]?.load ?? "", params, at, known);
}

/** Galaxy's drmaa and cli runners serve other schedulers too, whose words are no mistake in job_conf. */
function checkSlurm(
  load: string,
  params: Destination["params"],
  at: (key: string) => Place,
  known: Known,
): void {
  if (!isSlurmRunner(load)) return;
  const { faults } = readSlurmSettings(params);
  if (/slurm/.test(load)) return report(faults, at, known);
  for (const { key, message, remedy } of faults)
    at(key).warn(`jobs of this destination will fail, since only Slurm is served: ${message}`, remedy);
}

function checkRule({ params }: Destination, settings: Place, at: (key: string) => Place, known: Known): void {
  const { rule, faults } = readDynamicRule(params);
  report(faults, at, known);
  if (rule === undefined) return;
  // Of Total Perspective Vortex it is said where the runner is read.
  if (rule.type === "foreign" && settings.get("runner").text() === "dynamic")
    settings.warn(`its jobs will fail: ${rule.reason}`, rule.remedy);
  for (const [key, name] of namedBy(rule)) {
    if (name === "" || known.names.has(name)) continue;
    const message = `there is no environment ${shownValue(name)}`;
    at(key).faultIf(known.isReached, message, suggestion(name, known.names).remedy);
  }
}

function report(faults: readonly RuleFault[], at: (key: string) => Place, { isReached }: Known): void {
  for (const { key, message, remedy } of faults) at(key).faultIf(isReached, message, remedy);
}

/** Handlers that are not in job_conf load every runner. */
function warnOfRunner(runner: string, settings: Place, { handlers }: Known): void {
  if (handlers.length === 0) return;
  if (handlers.some(({ plugins }) => plugins === undefined || plugins.includes(runner))) return;
  settings
    .get("runner")
    .warn(
      `no handler of job_conf loads the runner ${runner}`,
      "its jobs wait until a handler that job_conf does not define attaches to their pool",
    );
}

function namedBy(rule: DynamicRule): [key: string, name: string][] {
  if (rule.type === "choose_one") return rule.among.map((name) => ["destination_ids", name]);
  if (rule.type !== "burst") return [];
  return [
    ...rule.from.map((name): [string, string] => ["from_destination_ids", name]),
    ["to_destination_id", rule.to],
  ];
}
