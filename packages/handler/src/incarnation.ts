import { hostname } from "node:os";
import { isAlive, ownIdentity, type GalaxyConfig } from "@galaxy-jobs/runtime";
import { registerIncarnation, type Database, type LiveIncarnation } from "@galaxy-jobs/shared-db";
import { release } from "./release.ts";

/** Without a heartbeat for this many seconds an incarnation counts as dead. */
export const leaseSeconds = 15;

/** Grows when processes of two releases could misunderstand each other through the database. */
export const protocol = 1;

/**
 * Makes this process the one holder of its server name.
 * @returns the id of its incarnation
 * @throws ServerNameTakenError when another live process has the name
 */
export async function registerHandler(
  database: Database,
  config: GalaxyConfig,
  tags: readonly string[],
): Promise<number> {
  const { pid, startTime, bootId } = ownIdentity();
  const identity = {
    serverName: config.serverName,
    hostname: hostname(),
    bootId,
    pid,
    pidStartTime: startTime,
  };
  return registerIncarnation(database, { ...identity, tags, version: release, protocol }, isGone);
}

/** Whether the present holder of a name is known to have ended: its process on this host is gone, or its lease is over. */
function isGone(holder: LiveIncarnation): boolean {
  if (holder.heartbeatAge > leaseSeconds) return true;
  if (holder.hostname !== hostname()) return false;
  return !isAlive({ pid: holder.pid, startTime: holder.pidStartTime, bootId: holder.bootId });
}
