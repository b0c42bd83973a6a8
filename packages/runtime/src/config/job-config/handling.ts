import { suggestion } from "../../faults.ts";
import { number } from "../option-kinds.ts";
import type { AssignmentMethodName, HandlerDefinition, JobConfig } from "../job-config.ts";
import type { Place } from "./place.ts";

const METHODS: readonly AssignmentMethodName[] = [
  "mem-self",
  "db-self",
  "db-preassign",
  "mule-message",
  "db-transaction-isolation",
  "db-skip-locked",
];
const KEYS = [
  "assign",
  "max_grab",
  "ready_window_size",
  "default",
  "default_from_environ",
  "default_from_config",
  "processes",
];
const DEFAULT_READY_WINDOW = 100;

type Handling = Pick<JobConfig, "assign" | "maxGrab" | "readyWindowSize" | "handlers" | "defaultHandler">;

/**
 * `handling` (galaxy.md 2.1, 3.3).
 *
 * @param runners ids of all runners, also of those that are not enabled
 */
export function readHandling(handling: Place, runners: readonly string[]): Handling {
  handling.onlyKeys(KEYS);
  const whole = number({ min: 1, max: 1_000_000, whole: true });
  const maxGrab = handling.get("max_grab").read(whole);
  const handlers = readHandlers(handling.get("processes"), runners);
  const place = handling.settledDefault();
  const defaultHandler = place.text();
  if (defaultHandler !== undefined) checkDefault(place, defaultHandler, handlers);
  return {
    assign: readMethods(handling.get("assign")),
    ...(maxGrab === undefined ? {} : { maxGrab }),
    readyWindowSize: handling.get("ready_window_size").read(whole) ?? DEFAULT_READY_WINDOW,
    handlers,
    ...(defaultHandler === undefined ? {} : { defaultHandler }),
  };
}

function readMethods(assign: Place): AssignmentMethodName[] | undefined {
  if (assign.isEmpty) return undefined;
  const methods: AssignmentMethodName[] = [];
  for (const name of assign.list()) {
    const word = name.toLowerCase().replace(/^uwsgi-mule-message$/, "mule-message");
    const method = METHODS.find((candidate) => candidate === word);
    if (method === undefined) {
      const remedy = suggestion(word, METHODS).remedy ?? `it must be one of ${METHODS.join(", ")}`;
      assign.fault(`invalid job handler assignment method '${name}'`, remedy);
    } else if (!methods.includes(method)) {
      methods.push(method);
    }
  }
  return methods;
}

function readHandlers(processes: Place, runners: readonly string[]): HandlerDefinition[] {
  const handlers: HandlerDefinition[] = [];
  for (const [id, settings] of processes.entries()) {
    settings.onlyKeys(["tags", "plugins", "environment"]);
    settings.get("environment").notUsed("environment of a handler (set it where the process is started)");
    const plugins = settings.get("plugins");
    for (const name of plugins.list()) {
      if (!runners.includes(name)) plugins.noSuch("runner", name, runners);
    }
    handlers.push({
      id,
      tags: settings.get("tags").list(),
      ...(plugins.isEmpty ? {} : { plugins: plugins.list() }),
    });
  }
  checkNames(processes, handlers);
  return handlers;
}

/** An id that is also a tag would name two things at once. */
function checkNames(processes: Place, handlers: readonly HandlerDefinition[]): void {
  for (const { id } of handlers) {
    const owner = handlers.find(({ tags }) => tags.includes(id));
    if (owner !== undefined) {
      processes
        .get(id)
        .fault(`${id} is both a handler's id and a tag (of ${owner.id})`, "give one of them another name");
    }
  }
}

/** Galaxy does not look: a default that names nobody leaves every job at `new` (galaxy.md 2.7). */
function checkDefault(place: Place, name: string, handlers: readonly HandlerDefinition[]): void {
  const known = new Set(handlers.flatMap((handler) => [handler.id, ...handler.tags]));
  if (handlers.length === 0 || known.has(name)) return;
  place.fault(`no handler has the id or tag ${name}`, suggestion(name, known).remedy);
}
