import { didYouMean, type GalaxyConfig } from "@galaxy-jobs/runtime";
import {
  channels,
  listHandlers,
  listPools,
  notify,
  reassignJobs,
  type Database,
  type HandlerRow,
  type Reassigned,
} from "@galaxy-jobs/shared-db";
import { poolOfTag, tagOfPool } from "../assignment/process-role.ts";
import type { HandlerOperation } from "./drain.ts";
import { answers, knownHandler } from "./known-handler.ts";
import { OperationRefused } from "./operation-refused.ts";

export interface ReassignOperation extends HandlerOperation {
  /** A handler, or a pool by its name: `job-handlers` or `job-handlers.<tag>`. */
  readonly to: { readonly handler: string } | { readonly pool: string };
  /** Also the jobs under way. */
  readonly started: boolean;
}

export interface ReassignResult extends Reassigned {
  /** In words: `handler6`, `pool job-handlers.special`. */
  readonly to: string;
  /** What the administrator should know of it. */
  readonly notes: readonly string[];
}

/**
 * Gives the jobs of a handler to another one, or back to a pool: what the document does by an UPDATE query ("only recommended
 * for advanced Galaxy administrators").
 * @throws OperationRefused when a name is unknown, or nobody would take the jobs there
 */
export async function reassign(
  database: Database,
  config: GalaxyConfig,
  operation: ReassignOperation,
): Promise<ReassignResult> {
  const source = await knownHandler(database, config, operation.serverName);
  const { name, words, takers } =
    "handler" in operation.to
      ? await handlerTarget(database, config, source, operation.to.handler)
      : await poolTarget(database, operation.to.pool);
  const done = await reassignJobs(database, {
    from: source.serverName,
    to: name,
    actor: operation.actor,
    started: operation.started,
  });
  await notify(database, channels.handlersChanged, source.serverName);
  await notify(database, channels.newJobs, name);
  if (done.offered > 0) await notify(database, channels.handlersChanged, name);
  return { ...done, to: words, notes: notesOn(source, takers, operation.started ? done.offered : undefined) };
}

interface Target {
  /** As it stands in a job's row. */
  readonly name: string;
  readonly words: string;
  readonly takers: readonly HandlerRow[];
}

async function handlerTarget(
  database: Database,
  config: GalaxyConfig,
  source: HandlerRow,
  name: string,
): Promise<Target> {
  const target = await knownHandler(database, config, name);
  if (target.serverName === source.serverName)
    throw new OperationRefused("conflict", `the jobs of ${name} are ${name}'s already`);
  if (!answers(target))
    throw new OperationRefused("conflict", `handler ${name} is not running: the jobs would wait for it`);
  if (target.drainTime !== null)
    throw new OperationRefused(
      "conflict",
      `handler ${name} is drained; resume it first: galaxyctl handlers resume ${name}`,
    );
  return { name, words: name, takers: [target] };
}

async function poolTarget(database: Database, pool: string): Promise<Target> {
  const tag = tagOfPool(pool);
  const pools = await listPools(database);
  if (tag === undefined) {
    const known = pools.flatMap((one) => (one.tag === null ? [] : [poolOfTag(one.tag)]));
    const meant = didYouMean(pool, known);
    throw new OperationRefused(
      "unknown",
      `${pool} is not a pool of job handlers: write job-handlers, or job-handlers.TAG${meant === undefined ? "" : `; did you mean ${meant}?`}`,
    );
  }
  const live = (await listHandlers(database)).filter((one) => answers(one) && one.tags.includes(tag));
  const takers = live.filter(({ drainTime }) => drainTime === null);
  if (takers.length === 0) {
    const served = pools
      .filter(({ handlers, drained }) => handlers.length > drained.length)
      .map((one) => poolOfTag(one.tag!));
    const why = live.length === 0 ? "has no live handler" : "has only drained handlers";
    const others = served.length === 0 ? "" : `; pools that are served: ${served.join(", ")}`;
    throw new OperationRefused("conflict", `pool ${pool} ${why}: the jobs would wait${others}`);
  }
  return { name: tag, words: `pool ${pool}`, takers };
}

function notesOn(source: HandlerRow, takers: readonly HandlerRow[], offered: number | undefined): string[] {
  const notes: string[] = [];
  const underWay = source.jobsQueued + source.jobsRunning;
  if (offered === undefined && underWay > 0)
    notes.push(`${underWay} jobs under way stay with ${source.serverName}; --started hands them over too`);
  if (offered !== undefined && offered > 0 && takers.every(({ hostname }) => hostname !== source.hostname))
    notes.push(
      `processes on ${source.hostname} are watched by ${source.serverName} to their end: ${takers.map(({ serverName, hostname }) => `${serverName} (${hostname})`).join(", ")} cannot see them`,
    );
  if (
    answers(source) &&
    source.drainTime === null &&
    takers.some(({ serverName }) => serverName === source.serverName)
  )
    notes.push(`${source.serverName} serves that pool too and is not drained: it may take the jobs again`);
  return notes;
}
