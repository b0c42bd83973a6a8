import { didYouMean, type GalaxyConfig } from "@galaxy-jobs/runtime";
import {
  hasAssignedJobs,
  listHandlers,
  listPools,
  type Database,
  type HandlerRow,
} from "@galaxy-jobs/shared-db";
import { defaultTag } from "../assignment/assignment.ts";
import { poolOfTag } from "../assignment/process-role.ts";
import { OperationRefused } from "./operation-refused.ts";

/**
 * A handler by its server name: one that has or had a process, is defined in job_conf, is drained, or has jobs assigned to it.
 * @throws OperationRefused for a name that nobody knows, with the one that was meant
 */
export async function knownHandler(
  database: Database,
  config: GalaxyConfig,
  serverName: string,
): Promise<HandlerRow> {
  const defined = config.jobs.handlers.map(({ id }) => id);
  const [found] = await listHandlers(database, { serverName, defined });
  if (found !== undefined) return found;
  const tags = new Set([
    ...config.jobs.handlers.flatMap(({ tags: own }) => own),
    ...(await listPools(database)).flatMap(({ tag, handlers }) =>
      handlers.length > 0 && tag !== null ? [tag] : [],
    ),
    defaultTag,
  ]);
  if (tags.has(serverName))
    throw new OperationRefused(
      "unknown",
      `${serverName} is a tag (pool ${poolOfTag(serverName)}), not a handler`,
    );
  if (await hasAssignedJobs(database, serverName)) {
    const [nameless] = await listHandlers(database, { serverName, defined: [serverName] });
    return nameless!;
  }
  const names = (await listHandlers(database, { all: true, defined })).map((one) => one.serverName);
  const meant = didYouMean(serverName, names);
  throw new OperationRefused(
    "unknown",
    `there is no handler ${serverName}${meant === undefined ? "" : `; did you mean ${meant}?`}`,
  );
}

/** Whether a handler gives signs of life. */
export function answers(handler: HandlerRow): boolean {
  const { heartbeatAge, leaseSeconds } = handler;
  return handler.live && heartbeatAge !== null && leaseSeconds !== null && heartbeatAge <= leaseSeconds;
}
