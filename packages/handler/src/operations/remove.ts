import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import { removeHandlerIfIdle, type Database, type HandlerRow } from "@galaxy-jobs/shared-db";
import type { HandlerOperation } from "./drain.ts";
import { answers, knownHandler } from "./known-handler.ts";
import { OperationRefused } from "./operation-refused.ts";

/**
 * Forgets a handler that has ended and whose jobs are done.
 * @returns what is still to do for the administrator, in words
 * @throws OperationRefused while it is live or has jobs, with the numbers and what to do
 */
export async function remove(
  database: Database,
  config: GalaxyConfig,
  operation: HandlerOperation,
): Promise<readonly string[]> {
  const { serverName } = operation;
  await knownHandler(database, config, serverName);
  const inTheWay = await removeHandlerIfIdle(database, operation);
  if (inTheWay !== undefined) throw new OperationRefused("conflict", whyNot(inTheWay));
  const notes: string[] = [];
  if (config.jobs.handlers.some(({ id }) => id === serverName))
    notes.push(
      `job_conf still defines ${serverName}: take it out there, and out of the tools that are mapped to it`,
    );
  return notes;
}

function whyNot(handler: HandlerRow): string {
  const { serverName, hostname, pid, jobsInHand, jobsAssigned } = handler;
  const jobs = [
    ...(jobsInHand > 0 ? [`has ${jobsInHand} jobs in hand`] : []),
    ...(jobsAssigned > 0 ? [`${jobsAssigned} jobs are assigned to it`] : []),
  ];
  const is = handler.live
    ? [
        answers(handler)
          ? `is live (process ${pid} on ${hostname})`
          : `has not been stopped (process ${pid} on ${hostname} does not answer)`,
      ]
    : [];
  const steps = [
    ...(handler.live && handler.drainTime === null ? [`galaxyctl handlers drain ${serverName} --wait`] : []),
    ...(jobsAssigned > 0 || (!handler.live && jobsInHand > 0)
      ? [`galaxyctl handlers reassign ${serverName} --to-pool job-handlers`]
      : []),
    ...(handler.live ? ["stop its process"] : []),
  ];
  return `handler ${serverName} cannot be removed: it ${[...is, ...jobs].join(", ")}. First: ${steps.join("; then ")}`;
}
