import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import { defaultTag } from "./assignment.ts";
import { HandlerMap } from "./handler-map.ts";
import { assignmentMethods, handlerTags } from "./process-role.ts";

/**
 * Whether the web tier, with this configuration, would never give a job to this webless handler (galaxy.md 2.3): the mistake
 * in which a handler idles for ever and nobody says why.
 * @returns the reason and what to do, or undefined when jobs can reach it
 */
export function whyUnreached(config: GalaxyConfig): string | undefined {
  const { jobs, serverName } = config;
  const methods = assignmentMethods({ ...config, attachToPools: [] }, false);
  const asked = new Set(
    [
      ...jobs.tools.map(({ handler }) => handler),
      ...Object.values(jobs.destinations).flatMap(({ resubmit }) => resubmit.map(({ handler }) => handler)),
      jobs.defaultHandler,
    ].filter((name) => name !== undefined),
  );
  const onlyInMemory = methods.length === 1 && methods[0] === "mem-self";
  if (!onlyInMemory && asked.has(serverName) && new HandlerMap(jobs).hasId(serverName)) return undefined;
  const tags = handlerTags(config);
  const remedy = "set handling.assign to db-skip-locked in job_conf to share the jobs among the handlers";
  // A method that only mules hear passes every job on.
  for (const method of methods.filter((name) => name !== "mule-message")) {
    if (method === "mem-self")
      return `with mem-self every web process handles the jobs that it creates: no other process gets any; ${remedy}`;
    const served = method === "db-self" || jobs.defaultHandler !== undefined ? asked : asked.add(defaultTag);
    if (tags.some((tag) => served.has(tag))) return undefined;
    if (method === "db-self")
      return (
        `with db-self${jobs.assign === undefined ? " (the default without handlers in job_conf)" : ""} every web process handles the jobs ` +
        `that it creates, and no tool is mapped to ${tags.join(" or ")}; ${remedy}`
      );
    return `no tool of job_conf is mapped to ${[...new Set([serverName, ...tags])].join(" or ")}, and ${jobs.defaultHandler ?? defaultTag} gets all others`;
  }
  return `with mule-message alone only mules get jobs, which the web tier starts; ${remedy}`;
}
