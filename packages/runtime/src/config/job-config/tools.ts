import type {
  Destination,
  HandlerDefinition,
  JobConfig,
  ResourceGroups,
  ToolClass,
  ToolMapping,
} from "../job-config.ts";
import { isMapping } from "../config-source.ts";
import { choice, number } from "../option-kinds.ts";
import { warnOfHandler } from "./execution.ts";
import { setParam, type Place } from "./place.ts";

const CLASSES: readonly ToolClass[] = ["local", "requires_galaxy", "user_defined"];
const PRIORITY = number({ min: 1, max: 100, whole: true });
const KEYS = ["id", "class", "handler", "environment", "destination", "resources", "priority", "params"];

/** `tools` (galaxy.md 3.6). */
export function readTools(
  tools: Place,
  known: Pick<JobConfig, "destinations" | "resources"> & { readonly handlers: readonly HandlerDefinition[] },
): ToolMapping[] {
  const names = namesOf(known.destinations);
  return tools.items().flatMap((tool) => {
    const id = tool.get("id").text()?.toLowerCase().replace(/\/+$/, "");
    const toolClass = tool.get("class").read(choice(CLASSES));
    if ((id === undefined) === tool.get("class").isEmpty) {
      tool.fault("a tool entry has either id or class", "keep one of them");
      return [];
    }
    const destination = tool.get(tool.get("environment").isEmpty ? "destination" : "environment");
    const destinationName = destination.text();
    if (destinationName !== undefined && !names.has(destinationName))
      destination.noSuch("environment", destinationName, names);
    warnOfHandler(tool.get("handler"), known.handlers);
    const resources = tool.get("resources").text();
    if (resources !== undefined && !Object.hasOwn(known.resources.groups, resources))
      tool.get("resources").noSuch("group of resources", resources, Object.keys(known.resources.groups));
    const params: Record<string, unknown> = {};
    for (const [key, value] of tool.entries()) if (!KEYS.includes(key)) setParam(params, key, value);
    for (const [key, value] of tool.get("params").entries()) setParam(params, key, value);
    const handler = tool.get("handler").text();
    const priority = tool.get("priority").read(PRIORITY);
    return [
      {
        ...(id === undefined ? {} : { id }),
        ...(toolClass === undefined ? {} : { class: toolClass }),
        ...(handler === undefined ? {} : { handler }),
        ...(destinationName === undefined ? {} : { destination: destinationName }),
        ...(resources === undefined ? {} : { resources }),
        ...(priority === undefined ? {} : { priority }),
        params,
      },
    ];
  });
}

/** What the tools name as their destinations: ids and tags. What is wrong with them is left to readTools. */
export function namedByTools(tools: Place): string[] {
  const all: unknown[] = Array.isArray(tools.raw) ? tools.raw : [];
  return all.flatMap((tool) =>
    isMapping(tool)
      ? [tool["environment"] ?? tool["destination"]].filter((name) => typeof name === "string")
      : [],
  );
}

/** `resources`: which fields a group of tools offers. */
export function readResources(resources: Place): ResourceGroups {
  resources.onlyKeys(["default", "groups"]);
  const groups = Object.fromEntries(
    resources
      .get("groups")
      .entries()
      .map(([name, fields]) => [name, fields.list()]),
  );
  const fallback = resources.get("default").text();
  if (fallback !== undefined && !Object.hasOwn(groups, fallback))
    resources.get("default").noSuch("group", fallback, Object.keys(groups));
  return { ...(fallback === undefined ? {} : { default: fallback }), groups };
}

/** Ids and tags of destinations: one name space (galaxy.md 3.5). */
export function namesOf(destinations: Readonly<Record<string, Destination>>): Set<string> {
  return new Set(Object.values(destinations).flatMap(({ id, tags }) => [id, ...tags]));
}
