import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import {
  channels,
  drainHandler,
  notify,
  resumeHandler,
  type Database,
  type Drained,
} from "@galaxy-jobs/shared-db";
import { knownHandler } from "./known-handler.ts";
import { OperationRefused } from "./operation-refused.ts";

/** Who does it to whom. */
export interface HandlerOperation {
  readonly serverName: string;
  /** For the trail that it leaves. */
  readonly actor: string;
}

/**
 * A handler takes nothing new from now on, live and without a restart; what it had not started goes back (galaxy.md 1.8 has
 * the unused tag and the restart of everything that this replaces).
 * @throws OperationRefused
 */
export async function drain(
  database: Database,
  config: GalaxyConfig,
  operation: HandlerOperation,
): Promise<Drained> {
  await knownHandler(database, config, operation.serverName);
  const drained = await drainHandler(database, operation);
  await notify(database, channels.handlersChanged, operation.serverName);
  for (const name of drained.names) await notify(database, channels.newJobs, name);
  return drained;
}

/** @throws OperationRefused when the handler is unknown, or takes jobs anyway */
export async function resume(
  database: Database,
  config: GalaxyConfig,
  operation: HandlerOperation,
): Promise<void> {
  await knownHandler(database, config, operation.serverName);
  if (!(await resumeHandler(database, operation)))
    throw new OperationRefused("conflict", `handler ${operation.serverName} is not drained`);
  await notify(database, channels.handlersChanged, operation.serverName);
}
