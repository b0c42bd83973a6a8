import { shownValue, suggestion } from "../../faults.ts";
import { DEFAULT_JOB_CONFIG } from "../job-config.ts";
import type { Destination, HandlerDefinition, JobConfig, RunnerConfig } from "../job-config.ts";
import { checkParams } from "./check-params.ts";
import { readEnvironment } from "./environment.ts";
import { setParam, type Place } from "./place.ts";
import { reachedDestinations } from "./reached-destinations.ts";
import { isEnabled } from "./runners.ts";
import { readRule, warnOfEndlessness } from "./resubmit.ts";

/** Keys of an environment that are not parameters of its runner. */
const ENVIRONMENT_KEYS = ["id", "runner", "enabled", "env", "params", "tags", "resubmit", "shell"];
/** Parameters that steer Galaxy's own Python code (galaxy.md 3.5). */
const GALAXY_ONLY = [
  "metrics",
  "job_metrics",
  "metadata_strategy",
  "tool_evaluation_strategy",
  "embed_metadata_in_job",
  "container_resolvers",
  "container_resolvers_config_file",
  "retry_metadata_internally",
];

type Execution = Pick<JobConfig, "destinations" | "defaultDestination">;

/** `execution` (galaxy.md 3.3, 3.5). */
export function readExecution(
  execution: Place,
  runners: Readonly<Record<string, RunnerConfig>>,
  handlers: readonly HandlerDefinition[],
  namedByTools: readonly string[],
): Execution {
  if (execution.isEmpty) {
    if (!Object.hasOwn(runners, "local"))
      execution.fault("execution is required where no runner is named local");
    const { destinations, defaultDestination } = DEFAULT_JOB_CONFIG;
    return { destinations, defaultDestination };
  }
  execution.onlyKeys(["default", "default_from_environ", "default_from_config", "environments"]);
  const destinations: Record<string, Destination> = {};
  const places = new Map<string, Place>();
  for (const [id, settings] of environments(execution)) {
    if (!isEnabled(settings)) continue;
    if (places.has(id)) settings.fault(`the environment ${id} occurs twice`, "give one of them another id");
    destinations[id] = readDestination(id, settings);
    places.set(id, settings);
  }
  const names = new Set(Object.values(destinations).flatMap(({ id, tags }) => [id, ...tags]));
  const defaultDestination = readDefault(execution, destinations, names);
  // Where the default is wrong, any may be the one that was meant.
  const reached = names.has(defaultDestination)
    ? reachedDestinations(destinations, [defaultDestination, ...namedByTools])
    : new Set(places.keys());
  for (const [id, settings] of places) {
    checkRunner(settings, runners, reached.has(id));
    checkReferences(settings, names, handlers, reached.has(id));
    checkParams(destinations[id]!, settings, { names, handlers, runners, isReached: reached.has(id) });
  }
  checkTags(destinations, places);
  return { destinations, defaultDestination };
}

/** Ids and tags of the destinations that are not enabled. */
export function disabledDestinations(execution: Place): Set<string> {
  if (execution.isEmpty) return new Set();
  const disabled = environments(execution).filter(([, settings]) => !isEnabled(settings));
  return new Set(disabled.flatMap(([id, settings]) => [id, ...settings.get("tags").list()]));
}

/** `environments` is a map by id, or a list of maps with an `id`. */
function environments(execution: Place): [id: string, settings: Place][] {
  const all = execution.get("environments");
  if (all.isEmpty) {
    execution.fault("environments is required", "name at least one destination");
    return [];
  }
  if (!Array.isArray(all.raw)) return all.entries();
  return all.items().flatMap((item): [string, Place][] => {
    const id = item.get("id").text();
    if (id === undefined) item.fault("id is required");
    return id === undefined ? [] : [[id, item]];
  });
}

function readDestination(id: string, settings: Place): Destination {
  const runner = settings.get("runner").text() ?? "";
  const shell = settings.get("shell").text();
  return {
    id,
    ...(runner === "dynamic_tpv" ? asDynamic(settings) : { runner, params: readParams(settings) }),
    tags: settings.get("tags").list(),
    env: readEnvironment(settings.get("env")),
    resubmit: settings.get("resubmit").itemsOrOne().map(readRule),
    ...(shell === undefined ? {} : { shell }),
  };
}

/** What Galaxy makes of the runner `dynamic_tpv`: a rule of Total Perspective Vortex, which is Python (galaxy.md 3.3). */
function asDynamic(settings: Place): Pick<Destination, "runner" | "params"> {
  settings
    .get("runner")
    .warn(
      "rules of Total Perspective Vortex are Python, which does not run here: jobs sent there fail",
      "write the rule in JavaScript: runner: dynamic, type: javascript",
    );
  const rule = { type: "python", function: "map_tool_to_destination", rules_module: "tpv.rules" };
  return { runner: "dynamic", params: { ...readParams(settings), ...rule } };
}

/** Galaxy takes a runner that there is not; its own samples have some. It stops the start where jobs would be sent there. */
function checkRunner(
  settings: Place,
  runners: Readonly<Record<string, RunnerConfig>>,
  isReached: boolean,
): void {
  const runner = settings.get("runner");
  const name = runner.text();
  if (runner.isEmpty) settings.fault("runner is required");
  if (name === undefined || ["dynamic", "dynamic_tpv"].includes(name) || Object.hasOwn(runners, name)) return;
  const meant = suggestion(name, [...Object.keys(runners), "dynamic"]).remedy;
  if (isReached) runner.fault(`there is no runner ${shownValue(name)}`, meant);
  else runner.warn(`there is no runner ${shownValue(name)}: jobs sent there fail`, meant);
}

/** What is not a key of the environment itself, and everything under `params`. */
function readParams(settings: Place): Record<string, unknown> {
  const params: Record<string, unknown> = {};
  const written = [
    ...settings.entries().filter(([key]) => !ENVIRONMENT_KEYS.includes(key)),
    ...settings
      .get("params")
      .entries()
      .filter(([key]) => key !== "enabled"),
  ];
  for (const [key, value] of written) {
    if (GALAXY_ONLY.includes(key)) value.notUsed(key);
    else setParam(params, key, value);
  }
  // The oldest form of a destination: drmaa://[server]/[native specification]/
  const url = /^drmaa:\/\/[^/]*\/(.*?)\/?$/.exec(String(params["url"] ?? ""))?.[1]?.trim();
  if (url !== undefined && url !== "") params["nativeSpecification"] ??= url;
  return params;
}

function checkReferences(
  settings: Place,
  names: ReadonlySet<string>,
  handlers: readonly HandlerDefinition[],
  isReached: boolean,
): void {
  for (const rule of settings.get("resubmit").itemsOrOne()) {
    for (const key of ["environment", "destination"]) {
      const name = rule.get(key).text();
      if (name === undefined || names.has(name)) continue;
      const message = `there is no environment ${shownValue(name)}`;
      rule.get(key).faultIf(isReached, message, suggestion(name, names).remedy);
    }
    warnOfHandler(rule.get("handler"), handlers);
    warnOfEndlessness(rule);
  }
}

/** A handler or tag that job_conf does not define may still be served by handlers that attach themselves to its pool. */
export function warnOfHandler(place: Place, handlers: readonly HandlerDefinition[]): void {
  const name = place.text();
  if (name === undefined || handlers.length === 0) return;
  if (handlers.some(({ id, tags }) => id === name || tags.includes(name))) return;
  place.warn(
    `no handler of job_conf has the id or tag ${name}`,
    `its jobs wait until a handler attaches to the pool job-handlers.${name}`,
  );
}

function checkTags(
  destinations: Readonly<Record<string, Destination>>,
  places: ReadonlyMap<string, Place>,
): void {
  for (const { id, tags } of Object.values(destinations)) {
    const clash = tags.find((tag) => tag !== id && Object.hasOwn(destinations, tag));
    if (clash !== undefined)
      places
        .get(id)!
        .get("tags")
        .fault(`${clash} is both a tag and the id of an environment`, "give one of them another name");
  }
}

/** Explicit; else, if there is exactly one destination, that (galaxy.md 3.5). */
function readDefault(
  execution: Place,
  destinations: Readonly<Record<string, Destination>>,
  names: ReadonlySet<string>,
): string {
  const ids = Object.keys(destinations);
  const place = execution.settledDefault();
  const name = place.text();
  if (name === undefined) {
    if (ids.length === 0 && !execution.get("environments").isEmpty)
      execution.get("environments").fault("no environment is enabled", "jobs need at least one destination");
    if (ids.length > 1)
      execution.fault("default is required where there are several environments", `write default: ${ids[0]}`);
    return ids[0] ?? "local";
  }
  if (!names.has(name)) place.noSuch("environment", name, names);
  return name;
}
