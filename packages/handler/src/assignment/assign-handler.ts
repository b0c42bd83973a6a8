import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import { defaultTag, type Assignment, type AssignmentMethod } from "./assignment.ts";
import { dbSelf } from "./db-self.ts";
import { dbSkipLocked } from "./db-skip-locked.ts";

const methods: readonly AssignmentMethod[] = [dbSkipLocked, dbSelf];

/**
 * Where a new job of a tool goes: an explicit handler id first, else each configured method in turn (galaxy.md 2.3).
 * @throws Error when no method can serve the job
 */
export function assignHandler(config: GalaxyConfig, toolId: string): Assignment {
  const configured = config.jobs.defaultHandler;
  if (configured !== undefined && config.jobs.handlers.some(({ id }) => id === configured))
    return { handler: configured };
  for (const name of assignmentMethods(config)) {
    const method = methods.find((candidate) => candidate.name === name);
    const assignment = method?.assign({ serverName: config.serverName, configured });
    if (assignment !== undefined) return assignment;
  }
  throw new Error(`no handler assignment method can serve tool ${toolId}: see handling.assign in job_conf`);
}

/** The configured methods, or the default: a process alone handles its own jobs (galaxy.md 2.2). */
export function assignmentMethods(config: GalaxyConfig): readonly string[] {
  if (config.jobs.assign !== undefined) return config.jobs.assign;
  return config.jobs.handlers.length > 0 || config.attachToPools.length > 0
    ? ["db-skip-locked"]
    : ["db-self"];
}

/** Whether a web process handles jobs itself (galaxy.md 1.5). */
export function isWebHandler(config: GalaxyConfig): boolean {
  return (
    assignmentMethods(config).includes("db-self") ||
    config.jobs.handlers.some(({ id }) => id === config.serverName)
  );
}

/** The tags a process listens to: of the pools it attaches to, and of the handler that job_conf defines under its name (galaxy.md 1.4). */
export function handlerTags(config: GalaxyConfig): string[] {
  const tags = new Set<string>();
  for (const pool of config.attachToPools) {
    if (pool === "job-handlers") tags.add(defaultTag);
    else if (pool.startsWith("job-handlers.")) tags.add(pool.slice("job-handlers.".length));
  }
  const defined = config.jobs.handlers.find(({ id }) => id === config.serverName);
  if (defined !== undefined) {
    for (const tag of defined.tags.length > 0 ? defined.tags : [defaultTag]) tags.add(tag);
  }
  return [...tags];
}
