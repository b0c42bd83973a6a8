import {
  readDestinationSettings,
  readDynamicRule,
  type Destination,
  type GalaxyConfig,
} from "@galaxy-jobs/runtime";
import type { Database, JobInput } from "@galaxy-jobs/shared-db";
import { misconfiguredInfo } from "../stages/runner-of.ts";
import { findToolMapping, type MappedTool } from "../tool-mapping.ts";
import { JobTally } from "./job-tally.ts";
import { burst } from "./rules/burst.ts";
import { chooseOne } from "./rules/choose-one.ts";
import type { RoutedJob, RuleDecision, RuleRequest } from "./rules/rule.ts";
import { RuleThread } from "./rules/rule-thread.ts";
import { askScript } from "./rules/script.ts";

export type DestinationMapping =
  | {
      readonly verdict: "go";
      readonly destination: Destination;
      /** How rules came to it; undefined where none was asked. */
      readonly reason: string | undefined;
    }
  | { readonly verdict: "wait"; readonly reason: string }
  | { readonly verdict: "fail"; readonly info: string; readonly traceback?: string };

export interface MappingRequest {
  readonly job: RoutedJob;
  readonly tool: MappedTool & { readonly name?: string };
  readonly inputs: readonly JobInput[];
  /** Id or tag; undefined: what the tool is mapped to, or the default. */
  readonly wanted?: string | undefined;
}

export interface DestinationMapperOptions {
  readonly config: GalaxyConfig;
  readonly database: Database;
  /** Whether this process has a runner: of a tag's destinations those are taken that it can serve, if there are any. */
  readonly serves: (runner: string) => boolean;
  /** A line that a rule wrote to its output. */
  readonly onOutput?: (destination: string, line: string) => void;
}

/** Rules that lead to one another are followed so far. */
const mostSteps = 10;

/** Decides where jobs run (galaxy.md 3.5, 3.6, 3.9). */
export class DestinationMapper {
  readonly #options: DestinationMapperOptions;
  readonly #tally: JobTally;
  readonly #threads = new Map<string, RuleThread>();
  /** The end of the last count of jobs: one decision that counts follows the other. */
  #counting: Promise<unknown> = Promise.resolve();

  constructor(options: DestinationMapperOptions) {
    this.#options = options;
    this.#tally = new JobTally(options.config.jobs, options.database);
  }

  /** @throws what the database throws */
  async map(request: MappingRequest): Promise<DestinationMapping> {
    const { jobs } = this.#options.config;
    const mapping = findToolMapping(jobs, request.tool);
    this.#tally.forget(request.job.id);
    const reasons: string[] = [];
    const trail: string[] = [];
    let next: string | Destination = request.wanted ?? mapping?.destination ?? jobs.defaultDestination;
    while (trail.length < mostSteps) {
      const found: Destination | undefined = typeof next === "string" ? this.#choose(next) : next;
      if (found === undefined)
        return { verdict: "fail", info: `${misconfiguredInfo} (${nowhere(String(next), reasons)})` };
      const destination = { ...found, params: { ...found.params, ...mapping?.params } };
      if (destination.runner !== "dynamic")
        return this.#settle(
          request.job,
          destination,
          reasons.length === 0 ? undefined : reasons.join("; then "),
        );
      trail.push(destination.id);
      const decision = await this.#decide({ ...request, referrer: destination });
      if (decision.verdict !== "to") return decision;
      reasons.push(decision.reason);
      next = decision.to;
    }
    const loop = `the rules of dynamic destinations lead nowhere: ${trail.join(" → ")} …`;
    return { verdict: "fail", info: `${misconfiguredInfo} (${loop})` };
  }

  /** Whether every job of a tool, unless it wants another destination, is sent to the same one without a look at it. */
  isFixed(tool: MappedTool): boolean {
    const { jobs } = this.#options.config;
    const id = findToolMapping(jobs, tool)?.destination ?? jobs.defaultDestination;
    return Object.hasOwn(jobs.destinations, id) && jobs.destinations[id]!.runner !== "dynamic";
  }

  /** The job has left this handler's hands. */
  forget(jobId: number): void {
    this.#tally.forget(jobId);
  }

  /** Ends the threads of the rules; decisions under way are rejected. */
  async close(): Promise<void> {
    const threads = [...this.#threads.values()];
    this.#threads.clear();
    await Promise.all(threads.map((thread) => thread.close()));
  }

  #settle(job: RoutedJob, destination: Destination, reason: string | undefined): DestinationMapping {
    const { settings, faults } = readDestinationSettings(destination.params);
    const [fault] = faults;
    if (fault !== undefined) {
      const words = `destination ${destination.id}, ${fault.key}: ${fault.message}`;
      return { verdict: "fail", info: `${misconfiguredInfo} (${words})` };
    }
    if (settings.requireContainer) {
      const info = `Failed to find a container when required (destination ${destination.id}), contact Galaxy admin: jobs run without containers here.`;
      return { verdict: "fail", info };
    }
    if (job.id !== 0) this.#tally.head(job.id, destination.id);
    return { verdict: "go", destination, reason };
  }

  /** An id, or one at random of those with a tag. */
  #choose(name: string): Destination | undefined {
    const { config, serves } = this.#options;
    const { destinations } = config.jobs;
    if (Object.hasOwn(destinations, name)) return destinations[name];
    const tagged = Object.values(destinations).filter(({ tags }) => tags.includes(name));
    const served = tagged.filter(({ runner }) => runner === "dynamic" || serves(runner));
    const among = served.length > 0 ? served : tagged;
    return among[Math.floor(Math.random() * among.length)];
  }

  async #decide(request: RuleRequest): Promise<RuleDecision> {
    const { referrer } = request;
    const { rule, faults } = readDynamicRule(referrer.params);
    if (rule === undefined || faults.length > 0) {
      const words = faults.map(({ key, message }) => `destination ${referrer.id}, ${key}: ${message}`);
      return { verdict: "fail", info: `${misconfiguredInfo} (${words.join("; ")})` };
    }
    switch (rule.type) {
      case "choose_one":
        return chooseOne(rule, request);
      case "burst":
        return this.#oneByOne(async () => {
          const decision = await burst(rule, this.#tally);
          // It counts from now on, not only from when its chain of rules has come to an end.
          if (request.job.id !== 0 && decision.verdict === "to" && typeof decision.to === "string")
            this.#tally.head(request.job.id, decision.to);
          return decision;
        });
      case "javascript":
        return askScript(rule, this.#threadOf(referrer.id), this.#options.database, request);
      case "foreign":
        return {
          verdict: "fail",
          info: `The rule of destination ${referrer.id} cannot be run: ${rule.reason}. Please contact a site administrator.`,
        };
    }
  }

  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#counting.then(work);
    this.#counting = done.catch(() => undefined);
    return done;
  }

  #threadOf(destinationId: string): RuleThread {
    const { config, onOutput } = this.#options;
    let thread = this.#threads.get(destinationId);
    if (thread === undefined) {
      thread = new RuleThread({
        data: {
          directory: config.jobRulesDirectory,
          serverName: config.serverName,
          destinations: config.jobs.destinations,
          defaultDestination: config.jobs.defaultDestination,
        },
        count: (query) => this.#tally.count(query),
        onOutput: (line) => onOutput?.(destinationId, line),
      });
      this.#threads.set(destinationId, thread);
    }
    return thread;
  }
}

function nowhere(name: string, reasons: readonly string[]): string {
  return [`there is no destination ${name}`, ...reasons.toReversed()].join("; ");
}
