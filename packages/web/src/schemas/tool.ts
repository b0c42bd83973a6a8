import { z } from "zod";
import { encodedId, errorAnswer } from "./fields.ts";
import { datasetAnswer } from "./data.ts";
import { jobSummaryAnswer } from "./job.ts";

/** Tools in Galaxy's API (galaxy.md 6.3, 6.4). */
export const toolSummary = z
  .looseObject({
    model_class: z.string(),
    id: z.string(),
    name: z.string(),
    version: z.string(),
    description: z.string(),
    labels: z.array(z.string()),
    hidden: z.string(),
    form_style: z.string(),
    panel_section_id: z.string(),
    panel_section_name: z.string(),
  })
  .meta({ id: "Tool" });

export const toolSection = z
  .strictObject({
    model_class: z.literal("ToolSection"),
    id: z.string(),
    name: z.string(),
    elems: z.array(toolSummary),
  })
  .meta({ id: "ToolSection" });

const toolPart = z.looseObject({ name: z.string() });

export const toolDetails = toolSummary
  .extend({ inputs: z.array(toolPart.extend({ type: z.string() })), outputs: z.array(toolPart) })
  .meta({ id: "ToolDetails" });

const inputs = z.record(z.string(), z.unknown());

export const submission = z
  .strictObject({
    tool_id: z.string(),
    tool_version: z.string().nullish(),
    history_id: encodedId.nullish(),
    inputs: inputs.default({}).meta({
      description:
        'By name, nested or with Galaxy\'s flat keys (cond|param, repeat_0|param); a dataset is {"src": "hda", "id": …}.',
    }),
    input_format: z.enum(["legacy", "21.01", "request"]).optional(),
    use_cached_job: z.boolean().optional(),
  })
  .meta({ id: "ToolRun" });

/** The same as a form: all texts, the inputs as JSON. */
export const submissionForm = z.strictObject({
  tool_id: z.string(),
  tool_version: z.string().optional(),
  history_id: encodedId.optional(),
  inputs: z
    .string()
    .default("{}")
    .transform((value, check) => {
      try {
        return JSON.parse(value) as unknown;
      } catch {
        check.addIssue("is not valid JSON");
        return z.NEVER;
      }
    })
    .pipe(inputs)
    .meta({ type: "string", description: "A JSON object." }),
  input_format: submission.shape.input_format,
});

export const runAnswer = z
  .strictObject({
    outputs: z.array(datasetAnswer.extend({ output_name: z.string() })),
    output_collections: z.array(z.unknown()).max(0),
    jobs: z.array(jobSummaryAnswer),
    implicit_collections: z.array(z.unknown()).max(0),
    produces_entry_points: z.boolean(),
  })
  .meta({ id: "ToolRunAnswer" });

/** Many runs in one request. What is wrong inside a run is the fault of that run alone, so the form of each is checked on its own. */
export const batchOfRuns = z
  .strictObject({
    history_id: encodedId.optional().meta({ description: "For the runs that name none." }),
    runs: z
      .array(z.unknown().meta({ allOf: [{ $ref: "#/components/schemas/ToolRun" }] }))
      .min(1)
      .max(1_000),
  })
  .meta({ id: "ToolRunBatch" });

export const batchedRunAnswer = z.union([
  runAnswer.extend({ status: z.literal(200) }),
  errorAnswer.extend({ status: z.int().meta({ description: "As if the run had come alone." }) }),
]);

export const batchAnswer = z
  .strictObject({
    results: z.array(batchedRunAnswer).meta({ description: "One for each run, in order." }),
    created: z.int(),
    refused: z.int(),
  })
  .meta({ id: "ToolRunBatchAnswer" });
