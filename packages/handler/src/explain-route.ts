import type { AssignmentMethodName, Destination, GalaxyConfig } from "@galaxy-jobs/runtime";
import { countActiveJobs, handlersServing, type Database } from "@galaxy-jobs/shared-db";
import { HandlerAssigner, HandlerAssignmentError } from "./assignment/assign-handler.ts";
import { defaultTag, type Assignment } from "./assignment/assignment.ts";
import { HandlerMap } from "./assignment/handler-map.ts";
import { DestinationMapper } from "./destinations/map-destination.ts";
import { isWebHandler, poolOfTag } from "./assignment/process-role.ts";
import { countedDestinations, LimitBook } from "./limits/limit-book.ts";
import { findToolMapping, type MappedTool } from "./tool-mapping.ts";

/** One decision on the way of a job, in words. */
export interface RouteStep {
  readonly step: "tool" | "handler" | "method" | "served" | "destination" | "rule" | "limit";
  readonly words: string;
  /** A job would fail or wait here. */
  readonly trouble: boolean;
}

/**
 * Where a run of a tool would go now, step by step, and why; nothing is written.
 * @param userId whose limits are shown; undefined: those of the destination only
 * @param handler handler id or tag, as if the tool were mapped to it
 */
export async function explainRoute(
  database: Database,
  config: GalaxyConfig,
  { tool, userId, handler }: { tool: MappedTool; userId?: number | undefined; handler?: string | undefined },
): Promise<RouteStep[]> {
  const mapping = findToolMapping(config.jobs, tool);
  const asked = handler === undefined ? config : mappedTo(config, tool, handler);
  const configured = handler ?? mapping?.handler ?? config.jobs.defaultHandler;
  const steps = [explainMapping(config, tool), explainHandler(config, tool, handler)];
  const { assignment, steps: tries } = await explainAssignment(database, asked, tool, configured);
  steps.push(...tries);
  if (assignment?.handler != null) steps.push(await explainServed(database, config, assignment.handler));
  return [...steps, ...(await explainPlace(database, config, tool, userId))];
}

function mappedTo(config: GalaxyConfig, tool: MappedTool, handler: string): GalaxyConfig {
  const mapping = findToolMapping(config.jobs, tool);
  const { class: _, ...rest } = mapping ?? { params: {} };
  const entry = { ...rest, id: `${tool.id.toLowerCase()}/${tool.version.toLowerCase()}`, handler };
  return { ...config, jobs: { ...config.jobs, tools: [entry, ...config.jobs.tools] } };
}

function explainMapping(config: GalaxyConfig, tool: MappedTool): RouteStep {
  const mapping = findToolMapping(config.jobs, tool);
  const name = tool.version === "" ? tool.id : `${tool.id} ${tool.version}`;
  if (mapping === undefined)
    return good("tool", `tool ${name}: job_conf has no entry for its id or class; the defaults apply`);
  const weighed = mapping.priority === undefined ? "" : `; its jobs have priority ${mapping.priority}`;
  if (mapping.class !== undefined)
    return good(
      "tool",
      `tool ${name}: matched by its class ${mapping.class}, since no entry names its id (galaxy.md 3.6)${weighed}`,
    );
  const how = mapping.id === tool.id.toLowerCase() ? "by its id" : "by its id with version";
  return good("tool", `tool ${name}: matched ${how}, ${mapping.id} (galaxy.md 3.6)${weighed}`);
}

function explainHandler(config: GalaxyConfig, tool: MappedTool, handler: string | undefined): RouteStep {
  const mapped = findToolMapping(config.jobs, tool)?.handler;
  const handlers = new HandlerMap(config.jobs);
  const kind = (name: string) =>
    handlers.hasId(name) ? `handler id ${name}` : `tag ${name} (pool ${poolOfTag(name)})`;
  if (handler !== undefined) return good("handler", `${kind(handler)}, as asked with --handler`);
  if (mapped !== undefined) return good("handler", `${kind(mapped)}, of the tool's entry`);
  const { defaultHandler } = config.jobs;
  if (defaultHandler !== undefined)
    return good("handler", `${kind(defaultHandler)}, the default of handling`);
  return good("handler", `none is configured: the tag ${defaultTag} (pool ${poolOfTag(defaultTag)})`);
}

async function explainAssignment(
  database: Database,
  config: GalaxyConfig,
  tool: MappedTool,
  configured: string | undefined,
): Promise<{ assignment: Assignment | undefined; steps: RouteStep[] }> {
  const steps: RouteStep[] = [];
  const warnings: string[] = [];
  const assigner = new HandlerAssigner({
    config,
    database,
    self: isWebHandler(config) ? () => undefined : undefined,
    mules: undefined,
    warn: (message) => warnings.push(message),
  });
  const told = (method: AssignmentMethodName, assignment: Assignment | undefined) =>
    steps.push(
      assignment === undefined
        ? bad("method", `${method}: passes, ${whyPassed(method, configured)}`)
        : good("method", `${method}: takes it, ${wordsOf(assignment, configured)}`),
    );
  try {
    const assignment = await assigner.assign(tool, told);
    if (assignment.method === "direct")
      steps.push(
        good(
          "method",
          `the direct rule: ${assignment.handler} is a handler id, so no method is asked (galaxy.md 2.3)`,
        ),
      );
    steps.push(...warnings.map((words) => bad("method", words)));
    return { assignment, steps };
  } catch (error) {
    if (!(error instanceof HandlerAssignmentError)) throw error;
    return { assignment: undefined, steps: [...steps, bad("method", error.message)] };
  }
}

function whyPassed(method: AssignmentMethodName, configured: string | undefined): string {
  const tag = configured ?? defaultTag;
  switch (method) {
    case "mule-message":
      return `no farm of mules ${poolOfTag(tag)} is known outside of the web tier`;
    case "mem-self":
      return "the process that creates the job handles none itself";
    case "db-self":
      return configured === undefined
        ? "the process that creates the job handles none itself"
        : `no handler of job_conf has the tag ${tag} and none is attached to ${poolOfTag(tag)}`;
    default:
      return `no handler of job_conf has the tag ${tag} and none is attached to ${poolOfTag(tag)}`;
  }
}

function wordsOf({ method, handler }: Assignment, configured: string | undefined): string {
  switch (method) {
    case "mem-self":
      return `in the memory of the process that creates the job (here ${handler})`;
    case "db-self":
      return configured === undefined
        ? `for the process that creates the job (here ${handler})`
        : `which hands a configured tag to db-preassign: handler ${handler}, at random of those with the tag`;
    case "db-preassign":
      return `handler ${handler}, at random of those with the tag, the live ones first`;
    default:
      return `the job waits under the tag ${handler} until a handler of ${poolOfTag(handler ?? defaultTag)} claims it`;
  }
}

async function explainServed(database: Database, config: GalaxyConfig, name: string): Promise<RouteStep> {
  const serving = await handlersServing(database, name);
  const live = serving.filter((handler) => handler.live);
  const isName = new HandlerMap(config.jobs).hasId(name) || serving.some((one) => one.serverName === name);
  const what = isName ? `handler ${name}` : `pool ${poolOfTag(name)}`;
  const taking = live.filter(({ drainTime }) => drainTime === null);
  if (live.length > 0 && taking.length === 0) {
    const who = live.map(
      ({ serverName, drainTime, drainedBy }) =>
        `${serverName} since ${drainTime!.toISOString()} by ${drainedBy}`,
    );
    return bad(
      "served",
      `${isName ? `${what} is` : `all live handlers of ${what} are`} drained: ${who.join(", ")}; the job would wait`,
    );
  }
  if (taking.length > 0) {
    const who = taking.map(({ serverName, jobsInHand }) => `${serverName} (${jobsInHand} jobs in hand)`);
    return good("served", isName ? `live: ${who.join(", ")}` : `${what}: live are ${who.join(", ")}`);
  }
  const last = serving.toSorted((a, b) => b.seen.getTime() - a.seen.getTime())[0];
  const since = last === undefined ? "never seen" : `last seen ${last.seen.toISOString()}`;
  return bad(
    "served",
    isName
      ? `${what} is not running (${since}): the job would wait`
      : `${what} has no live handler (${since}): the job would wait`,
  );
}

async function explainPlace(
  database: Database,
  config: GalaxyConfig,
  tool: MappedTool,
  userId: number | undefined,
): Promise<RouteStep[]> {
  const { jobs } = config;
  const mapped = findToolMapping(jobs, tool)?.destination;
  const name = mapped ?? jobs.defaultDestination;
  const from = mapped === undefined ? "the default" : "of the tool's entry";
  const exact = jobs.destinations[name];
  const tagged = Object.values(jobs.destinations).filter(({ tags }) => tags.includes(name));
  const candidates = exact === undefined ? tagged : [exact];
  if (candidates.length === 0) return [bad("destination", `there is no destination ${name} (${from})`)];
  const ids = candidates.map(({ id, runner }) => `${id} (runner ${runner})`);
  const place =
    exact === undefined
      ? `tag ${name}, ${from}: one at random of ${ids.join(", ")}`
      : `${ids[0]}, ${from}${exact.runner === "dynamic" ? ": its rule decides for each job" : ""}`;
  const decided = await explainRules(database, config, tool, userId, candidates);
  const ends = decided.destination === undefined ? candidates : [decided.destination];
  const limits = await explainLimits(database, config, ends, userId);
  return [good("destination", place), ...decided.steps, ...limits];
}

/** What the rules of dynamic destinations would decide for a run that starts now. */
async function explainRules(
  database: Database,
  config: GalaxyConfig,
  tool: MappedTool,
  userId: number | undefined,
  candidates: readonly Destination[],
): Promise<{ destination?: Destination; steps: RouteStep[] }> {
  if (!candidates.some(({ runner }) => runner === "dynamic")) return { steps: [] };
  const mapper = new DestinationMapper({ config, database, serves: () => true });
  try {
    const mapping = await mapper.map({
      job: { id: 0, userId: userId ?? null, historyId: null, params: {} },
      tool,
      inputs: [],
    });
    if (mapping.verdict === "wait") return { steps: [bad("rule", `${mapping.reason}: the job would wait`)] };
    if (mapping.verdict === "fail") {
      const words = [mapping.info, ...(mapping.traceback?.split("\n").slice(0, 1) ?? [])].join(" ");
      return { steps: [bad("rule", `the job would fail: ${words}`)] };
    }
    const { destination, reason } = mapping;
    const words = `${destination.id} (runner ${destination.runner})`;
    return {
      destination,
      steps: reason === undefined ? [] : [good("rule", `would go to ${words}: ${reason}`)],
    };
  } finally {
    await mapper.close();
  }
}

async function explainLimits(
  database: Database,
  { jobs }: GalaxyConfig,
  destinations: readonly Destination[],
  userId: number | undefined,
): Promise<RouteStep[]> {
  const requests = destinations.map(({ id }) => ({ userId: userId ?? null, destinationId: id }));
  const users = userId === undefined ? [] : [userId];
  const active = await countActiveJobs(database, {
    users,
    destinations: countedDestinations(jobs, requests),
  });
  const book = new LimitBook(jobs, active);
  const limits = new Map(
    requests.flatMap((request) => book.explain(request)).map(({ full, words }) => [words, full]),
  );
  const who = userId === undefined ? " of this destination (--user shows a user's)" : "";
  if (limits.size === 0) return [good("limit", `no limit${who} applies`)];
  return [...limits].map(([words, full]) => ({
    step: "limit",
    words: full ? `${words}: the job would wait` : words,
    trouble: full,
  }));
}

function good(step: RouteStep["step"], words: string): RouteStep {
  return { step, words, trouble: false };
}

function bad(step: RouteStep["step"], words: string): RouteStep {
  return { step, words, trouble: true };
}
