import type { GalaxyConfig, ResourceField } from "@galaxy-jobs/runtime";
import { withJobResources, type Tool, type ToolBox } from "@galaxy-jobs/tools";
import { findMappingById } from "./tool-mapping.ts";

/**
 * The tools as their users see them: with the fields of the group of resources that job_conf gives them, by the tool's exact id,
 * or else the default group (galaxy.md 3.6).
 */
export function offerResources(config: GalaxyConfig, tools: ToolBox): ToolBox {
  return tools.map((tool) => withJobResources(tool, fieldsFor(config, tool)));
}

function fieldsFor({ jobs, jobResourceFields }: GalaxyConfig, tool: Tool): ResourceField[] {
  const { groups, default: fallback } = jobs.resources;
  const group = findMappingById(jobs, tool)?.resources ?? fallback;
  if (group === undefined || !Object.hasOwn(groups, group)) return [];
  return groups[group]!.map((name) =>
    Object.hasOwn(jobResourceFields, name)
      ? jobResourceFields[name]!
      : { name, label: name, help: "", type: "text" },
  );
}
