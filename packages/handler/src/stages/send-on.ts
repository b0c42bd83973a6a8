import type { Destination, GalaxyConfig } from "@galaxy-jobs/runtime";
import {
  channels,
  handlersServing,
  notify,
  releaseJobsIfNew,
  type Database,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { HandlerMap } from "../assignment/handler-map.ts";
import { poolOfTag } from "../assignment/process-role.ts";
import type { HandlerContext } from "../handler-context.ts";
import { canMakeRunner, loadsRunner } from "../runners/make-runners.ts";
import { misconfiguredInfo } from "./runner-of.ts";

/** What becomes of a job whose destination has a runner that this handler does not load. */
export type SentOn =
  | { readonly verdict: "given-back" }
  | { readonly verdict: "wait"; readonly reason: string }
  | { readonly verdict: "fail"; readonly info: string };

/**
 * A claimed job whose runner this handler leaves to others (`plugins` of a handler) goes back to its pool when a live handler
 * of the pool has the runner, and waits for one when there is none. A job that is assigned to this very handler fails, and so
 * does one whose runner nobody can have: that is all Galaxy does (galaxy.md 4.6).
 */
export async function sendOn(
  context: HandlerContext,
  database: Database,
  job: JobRow,
  { id, runner }: Destination,
): Promise<SentOn> {
  const { config } = context;
  if (!canMakeRunner(config, runner)) return { verdict: "fail", info: misconfiguredInfo };
  const assigned = job.assignedHandler;
  if (assigned === config.serverName || (assigned !== null && new HandlerMap(config.jobs).hasId(assigned))) {
    const info = `${misconfiguredInfo} (The job is assigned to handler ${assigned}, which does not load the runner ${runner} of destination ${id}.)`;
    return { verdict: "fail", info };
  }
  const tags = assigned === null ? context.tags : [assigned];
  if (await isServed(config, database, tags, runner)) {
    await releaseJobsIfNew(database, [job]);
    for (const tag of tags) await notify(database, channels.newJobs, tag);
    return { verdict: "given-back" };
  }
  const pools = tags.map(poolOfTag).join(", ");
  return {
    verdict: "wait",
    reason: `no live handler of ${pools} loads the runner ${runner} of destination ${id}`,
  };
}

async function isServed(
  config: GalaxyConfig,
  database: Database,
  tags: readonly string[],
  runner: string,
): Promise<boolean> {
  for (const tag of tags) {
    const serving = await handlersServing(database, tag);
    const able = serving.some(
      ({ serverName, live }) =>
        live && serverName !== config.serverName && loadsRunner(config, serverName, runner),
    );
    if (able) return true;
  }
  return false;
}
