import type { LeafInput, ToolInput } from "./tool-source.ts";
import type { Tool } from "./tool.ts";

/** A tool as Galaxy's GET /api/tools shows it (galaxy.md 6.3). */
export function describeTool(tool: Tool) {
  return {
    model_class: "UserDefinedTool",
    id: tool.id,
    name: tool.name,
    version: tool.version,
    description: tool.description,
    labels: [] as string[],
    edam_operations: tool.source.edam_operations ?? [],
    edam_topics: tool.source.edam_topics ?? [],
    hidden: "",
    is_workflow_compatible: true,
    xrefs: tool.source.xrefs ?? [],
    form_style: "regular",
    panel_section_id: "tools",
    panel_section_name: "Tools",
    link: `/tools/${tool.id}`,
    min_width: -1,
    target: "galaxy_main",
  };
}

/** The outputs of a tool in Galaxy's io_details. */
export function describeOutputs(tool: Tool) {
  return tool.outputs.map(({ name, label, hidden, format, format_source }) => ({
    name,
    label: label ?? "",
    hidden: hidden ?? false,
    format: format ?? (format_source === undefined || format_source === null ? "data" : "input"),
    format_source: format_source ?? null,
    output_type: "data",
    model_class: "ToolOutput",
  }));
}

/** The inputs of a tool in Galaxy's io_details, from which the page makes its form. */
export function describeInputs(tool: Tool): object[] {
  return tool.inputs.map(describeInput);
}

function describeInput(input: ToolInput): object {
  const common = {
    name: input.name,
    label: input.label ?? input.name,
    help: input.help ?? "",
    type: input.type,
  };
  switch (input.type) {
    case "section":
      return {
        ...common,
        model_class: "Section",
        title: common.label,
        inputs: input.parameters.map(describeInput),
      };
    case "repeat":
      return {
        ...common,
        model_class: "Repeat",
        title: common.label,
        min: input.min ?? 0,
        max: input.max ?? null,
        default: input.min ?? 0,
        inputs: input.parameters.map(describeInput),
      };
    case "conditional":
      return {
        ...common,
        model_class: "Conditional",
        test_param: describeInput(input.test_parameter),
        cases: input.whens.map(({ discriminator, parameters }) => ({
          model_class: "ConditionalWhen",
          value: String(discriminator),
          inputs: parameters.map(describeInput),
        })),
      };
    default:
      return { ...common, ...describeLeaf(input) };
  }
}

function describeLeaf(input: LeafInput): object {
  const optional = { optional: input.optional ?? false };
  switch (input.type) {
    case "boolean":
      return {
        ...optional,
        model_class: "BooleanToolParameter",
        value: input.value ?? false,
        truevalue: "true",
        falsevalue: "false",
      };
    case "integer":
    case "float":
      return {
        ...optional,
        model_class: input.type === "integer" ? "IntegerToolParameter" : "FloatToolParameter",
        value: input.value ?? null,
        min: input.min ?? null,
        max: input.max ?? null,
      };
    case "text":
      return {
        ...optional,
        model_class: "TextToolParameter",
        value: input.value ?? "",
        area: input.area ?? false,
      };
    case "color":
      return { ...optional, model_class: "ColorToolParameter", value: input.value ?? null };
    case "select": {
      const selected = input.options.filter((option) => option.selected === true).map(({ value }) => value);
      const fallback = input.optional === true ? null : (input.options[0]?.value ?? null);
      return {
        ...optional,
        model_class: "SelectToolParameter",
        multiple: input.multiple ?? false,
        value: input.multiple === true ? selected : (selected[0] ?? fallback),
        options: input.options.map(({ label, value, selected: isSelected }) => [
          label ?? value,
          value,
          isSelected ?? false,
        ]),
      };
    }
    case "data":
      return {
        ...optional,
        model_class: "DataToolParameter",
        multiple: input.multiple ?? false,
        extensions: formatsOf(input),
        value: null,
        min: input.min ?? null,
        max: input.max ?? null,
      };
  }
}

/** The datatypes a data input takes; `data` is any. */
export function formatsOf(input: LeafInput & { type: "data" }): string[] {
  if (input.format === undefined) return ["data"];
  return typeof input.format === "string"
    ? input.format.split(",").map((format) => format.trim())
    : input.format;
}
