import type { ResourceField } from "@galaxy-jobs/runtime";
import type { LeafInput } from "./tool-source.ts";
import type { Tool } from "./tool.ts";

/** The name under which Galaxy keeps what was chosen among a job's parameters (galaxy.md 3.6). */
export const jobResources = "__job_resource";

/**
 * The tool with a last input by which its user may choose job resources: a conditional as Galaxy's, of
 * `__job_resource__select` no or yes and the fields.
 */
export function withJobResources(tool: Tool, fields: readonly ResourceField[]): Tool {
  if (fields.length === 0) return tool;
  const options = [
    { value: "no", label: "Use default job resource parameters", selected: true },
    { value: "yes", label: "Specify job resource parameters" },
  ];
  const test = {
    type: "select" as const,
    name: `${jobResources}__select`,
    label: "Job Resource Parameters",
    options,
  };
  const whens = [
    { discriminator: "no", parameters: [] },
    { discriminator: "yes", parameters: fields.map(inputOf) },
  ];
  const input = {
    type: "conditional" as const,
    name: jobResources,
    label: test.label,
    test_parameter: test,
    whens,
  };
  return { ...tool, inputs: [...tool.inputs, input] };
}

function inputOf(field: ResourceField): LeafInput {
  const { name, label, help } = field;
  const common = { name, label, help };
  switch (field.type) {
    case "integer":
    case "float": {
      const { type, value, min, max } = field;
      return { ...common, type, value, min, max, optional: value === undefined };
    }
    case "text":
      return { ...common, type: "text", value: field.value, optional: field.value === undefined };
    case "boolean":
      return { ...common, type: "boolean", value: field.value };
    case "select":
      return { ...common, type: "select", options: field.options.map((option) => ({ ...option })) };
  }
}
