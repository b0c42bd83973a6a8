import type { HandlerIdentity } from "@galaxy-jobs/shared-db";

/** Who a handler without a process says it is. */
export function handlerIdentity(serverName: string, more: Partial<HandlerIdentity> = {}): HandlerIdentity {
  return {
    serverName,
    hostname: "here",
    bootId: "b",
    pid: 1,
    pidStartTime: "1",
    tags: ["_default_"],
    version: "0",
    protocol: 1,
    leaseSeconds: 600,
    runDirectoryId: "d",
    ...more,
  };
}
