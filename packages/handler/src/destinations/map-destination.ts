import type { Destination, GalaxyConfig } from "@galaxy-jobs/runtime";
import type { Database, JobRow } from "@galaxy-jobs/shared-db";
import type { Tool } from "@galaxy-jobs/tools";
import { findToolMapping } from "../tool-mapping.ts";

export type DestinationMapping =
  | { readonly verdict: "go"; readonly destination: Destination }
  | { readonly verdict: "wait"; readonly reason: string }
  | { readonly verdict: "fail"; readonly info: string };

export interface MappingRequest {
  readonly config: GalaxyConfig;
  readonly database: Database;
  readonly job: JobRow;
  readonly tool: Tool;
  /** Id or tag; undefined: what the tool is mapped to, or the default. */
  readonly wanted?: string | undefined;
}

/** Where a job runs (galaxy.md 3.5, 3.6). */
export function mapDestination(request: MappingRequest): Promise<DestinationMapping> {
  const { jobs } = request.config;
  const mapping = findToolMapping(jobs, request.tool);
  const name = request.wanted ?? mapping?.destination ?? jobs.defaultDestination;
  const tagged = Object.values(jobs.destinations).filter(({ tags }) => tags.includes(name));
  const destination = jobs.destinations[name] ?? tagged[Math.floor(Math.random() * tagged.length)];
  if (destination === undefined)
    return Promise.resolve({ verdict: "fail", info: `there is no destination ${name}` });
  return Promise.resolve({
    verdict: "go",
    destination: { ...destination, params: { ...destination.params, ...mapping?.params } },
  });
}
