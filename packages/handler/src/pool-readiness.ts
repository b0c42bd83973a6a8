import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import { listHandlers, type Database } from "@galaxy-jobs/shared-db";
import { HandlerAssignmentError, type HandlerAssigner } from "./assignment/assign-handler.ts";
import { HandlerMap } from "./assignment/handler-map.ts";
import { poolOfTag } from "./assignment/process-role.ts";
import { answers } from "./operations/known-handler.ts";
import { findToolMapping, type MappedTool } from "./tool-mapping.ts";

/** A handler or pool that tools are mapped to, and whether jobs that go there now would be taken. */
export interface PoolReadiness {
  /** A pool's name, or a handler's. */
  readonly name: string;
  /** How many tools are mapped there. */
  readonly tools: number;
  readonly ready: boolean;
  /** Undefined when it is ready. */
  readonly reason?: string;
}

/**
 * Each handler or pool that the tools are mapped to: is there a live handler? Asks the assignment itself, with one tool for
 * each mapping, so it knows what the methods do; nothing is written.
 * @throws the database's error when it does not answer
 */
export async function poolReadiness(
  database: Database,
  config: GalaxyConfig,
  assigner: HandlerAssigner,
  tools: readonly MappedTool[],
): Promise<PoolReadiness[]> {
  // A drained one counts: its jobs wait because an administrator wants it so.
  const live = (await listHandlers(database)).filter(answers);
  const isServed = (name: string) =>
    live.some(({ serverName, tags }) => serverName === name || tags.includes(name));
  const named = new HandlerMap(config.jobs);
  const targets = new Map<string | undefined, MappedTool[]>();
  for (const tool of tools) {
    const target = findToolMapping(config.jobs, tool)?.handler ?? config.jobs.defaultHandler;
    targets.set(target, [...(targets.get(target) ?? []), tool]);
  }
  const found: PoolReadiness[] = [];
  for (const mapped of targets.values()) {
    const count = mapped.length;
    const mappedHere = count === 1 ? `the tool ${mapped[0]!.id} is` : `${count} tools are`;
    try {
      const { handler } = await assigner.assign(mapped[0]!);
      // A message to a mule: the process that answers this one keeps them alive.
      if (handler === null) continue;
      const isName = named.hasId(handler) || live.some(({ serverName }) => serverName === handler);
      const name = isName ? handler : poolOfTag(handler);
      if (isServed(handler)) found.push({ name, tools: count, ready: true });
      else
        found.push({
          name,
          tools: count,
          ready: false,
          reason: `${isName ? "handler" : "pool"} ${name}, which ${mappedHere} mapped to, ${isName ? "is not running" : "has no live handler"}`,
        });
    } catch (error) {
      if (!(error instanceof HandlerAssignmentError)) throw error;
      found.push({ name: "none", tools: count, ready: false, reason: error.message });
    }
  }
  return found;
}
