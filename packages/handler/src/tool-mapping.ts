import type { JobConfig, ToolClass, ToolMapping } from "@galaxy-jobs/runtime";

/** What of a tool decides where its runs go. */
export interface MappedTool {
  readonly id: string;
  readonly version: string;
}

/** Every tool that this release runs is one that its users define (galaxy.md 3.6, 7). */
const toolClasses: readonly ToolClass[] = ["user_defined"];

/**
 * The entry of job_conf for a tool: by its id, lower-cased, with its version and without; then by its class (galaxy.md 3.6).
 * There are no patterns: an id matches as a whole or not at all.
 */
export function findToolMapping(config: JobConfig, tool: MappedTool): ToolMapping | undefined {
  return findMappingById(config, tool) ?? mappingByClass(config);
}

/** The entry for a tool that names its id. */
export function findMappingById(config: JobConfig, { id, version }: MappedTool): ToolMapping | undefined {
  const name = id.toLowerCase().replace(/\/+$/, "");
  for (const candidate of [`${name}/${version.toLowerCase()}`, name]) {
    // An entry with a source is for runs that start elsewhere (Galaxy's trackster).
    const found = config.tools.find(
      (entry) => entry.id === candidate && entry.params["source"] === undefined,
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

function mappingByClass(config: JobConfig): ToolMapping | undefined {
  return toolClasses
    .map((name) => config.tools.find((entry) => entry.class === name))
    .find((entry) => entry !== undefined);
}
