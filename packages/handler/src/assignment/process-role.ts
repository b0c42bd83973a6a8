import type { AssignmentMethodName, GalaxyConfig } from "@galaxy-jobs/runtime";
import { defaultTag } from "./assignment.ts";
import { HandlerMap } from "./handler-map.ts";

/**
 * The methods in the order in which they are tried: as configured, or the default of the case (galaxy.md 2.2, the document's
 * four): alone, a process handles its own jobs; with handlers in job_conf they are preassigned; a farm of mules gets messages
 * first.
 * @param hasFarm whether the web tier has a farm `job-handlers` or `job-handlers.<tag>`
 */
export function assignmentMethods(config: GalaxyConfig, hasFarm: boolean): readonly AssignmentMethodName[] {
  const { assign, handlers } = config.jobs;
  if (assign !== undefined) return assign;
  if (hasFarm) return handlers.length > 0 ? ["mule-message", "db-preassign"] : ["mule-message"];
  // A webless handler takes its jobs from the database, whatever the web tier's default is.
  if (config.attachToPools.length > 0) return ["db-skip-locked"];
  return handlers.length > 0 ? ["db-preassign"] : ["db-self"];
}

/** Whether a web process handles jobs itself (galaxy.md 1.5). */
export function isWebHandler(config: GalaxyConfig, hasFarm = false): boolean {
  const methods = assignmentMethods(config, hasFarm);
  return (
    methods.includes("db-self") ||
    methods.includes("mem-self") ||
    new HandlerMap(config.jobs).hasId(config.serverName)
  );
}

/** The tags a process listens to: of the pools it attaches to, and of the handler that job_conf defines under its name (galaxy.md 1.4). */
export function handlerTags(config: GalaxyConfig): string[] {
  const tags = new Set(new HandlerMap(config.jobs).tagsOf(config.serverName));
  for (const pool of config.attachToPools) {
    const tag = tagOfPool(pool);
    if (tag !== undefined) tags.add(tag);
  }
  if (config.attachToPools.length === 0 && assignsToItself(config)) tags.add(selfTag(config.serverName));
  return [...tags];
}

/**
 * The tag of processes that do the same and stand in for each other: `main.web.1` and `main.web.2` of one web tier. No pool
 * has its form. A job that a process kept for itself goes to the others when that process is dead.
 */
export function selfTag(serverName: string): string {
  return `_self_.${serverName.replace(/\.\d+$/, "")}`;
}

function assignsToItself(config: GalaxyConfig): boolean {
  const methods = assignmentMethods(config, false);
  return methods.includes("db-self") || methods.includes("mem-self");
}

/** `job-handlers` → `_default_`, `job-handlers.special` → `special`; undefined for what is no pool of job handlers. */
export function tagOfPool(pool: string): string | undefined {
  if (pool === "job-handlers") return defaultTag;
  return /^job-handlers\.([^.\s]+)$/.exec(pool)?.[1];
}

/** The pool of a tag: the other way round. */
export function poolOfTag(tag: string): string {
  return tag === defaultTag ? "job-handlers" : `job-handlers.${tag}`;
}
