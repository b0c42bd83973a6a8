export { buildCommand, type BuiltCommand } from "./build-command.ts";
export { checkExit, type ExitMessage } from "./check-exit.ts";
export { checkInputs, type CheckedInputs } from "./check-inputs.ts";
export { describeInputs, describeOutputs, describeTool, formatsOf } from "./describe-tool.ts";
export { ExpressionSandbox, ToolExpressionError } from "./expression-sandbox.ts";
export {
  chosenParameters,
  dataReferences,
  mapDataReferences,
  type DataReference,
  type FileValue,
  type InputValue,
  type InputValues,
} from "./input-values.ts";
export { jobResources, withJobResources } from "./job-resources.ts";
export { ShellContext } from "./shell-context.ts";
export { splitTemplate, TemplateError } from "./template.ts";
export { bundledTools, loadToolBox, ToolBox } from "./tool-box.ts";
export type { ToolInput, ToolOutput, UserToolSource } from "./tool-source.ts";
export type { Tool } from "./tool.ts";
