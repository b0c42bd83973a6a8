import { z } from "zod";

/**
 * Galaxy's user-defined tool as it stands in its file (galaxy.md 7.2–7.4). Unknown keys are refused at every level.
 */
const text = z.string();
const notBlank = z.string().refine((value) => value.trim() !== "", { message: "must not be blank" });
const name = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be a name: letters, digits and _, not starting with a digit")
  .refine((value) => value !== "__proto__", "is reserved");

const validators = z
  .array(
    z.discriminatedUnion("type", [
      z.strictObject({
        type: z.literal("in_range"),
        min: z.number().optional(),
        max: z.number().optional(),
        message: text.optional(),
        exclude_min: z.boolean().optional(),
        exclude_max: z.boolean().optional(),
        negate: z.boolean().optional(),
      }),
      z.strictObject({
        type: z.literal("length"),
        min: z.number().optional(),
        max: z.number().optional(),
        message: text.optional(),
        negate: z.boolean().optional(),
      }),
      z.strictObject({
        type: z.literal("regex"),
        expression: text,
        message: text.optional(),
        negate: z.boolean().optional(),
      }),
      z.strictObject({
        type: z.literal("empty_field"),
        message: text.optional(),
        negate: z.boolean().optional(),
      }),
      z.strictObject({
        type: z.literal("no_options"),
        message: text.optional(),
        negate: z.boolean().optional(),
      }),
    ]),
  )
  .optional();

const common = { name, label: text.nullish(), help: text.nullish(), optional: z.boolean().optional() };
const formats = z.union([z.array(text), text]).optional();
const option = z.strictObject({ label: text.optional(), value: text, selected: z.boolean().optional() });

const leafs = [
  z.strictObject({ type: z.literal("boolean"), ...common, value: z.boolean().nullish() }),
  z.strictObject({
    type: z.literal("integer"),
    ...common,
    value: z.int().nullish(),
    min: z.int().nullish(),
    max: z.int().nullish(),
    validators,
  }),
  z.strictObject({
    type: z.literal("float"),
    ...common,
    value: z.number().nullish(),
    min: z.number().nullish(),
    max: z.number().nullish(),
    validators,
  }),
  z.strictObject({
    type: z.literal("text"),
    ...common,
    value: text.nullish(),
    area: z.boolean().optional(),
    validators,
  }),
  z.strictObject({
    type: z.literal("select"),
    ...common,
    options: z.array(option).min(1, "needs at least one option"),
    multiple: z.boolean().optional(),
    validators,
  }),
  z.strictObject({ type: z.literal("color"), ...common, value: text.nullish() }),
  z.strictObject({
    type: z.literal("data"),
    ...common,
    format: formats,
    multiple: z.boolean().optional(),
    min: z.int().nullish(),
    max: z.int().nullish(),
  }),
] as const;

export type LeafInput = z.infer<(typeof leafs)[number]>;

const booleanTest = leafs[0];
const selectTest = leafs[4];

export interface ConditionalInput {
  type: "conditional";
  name: string;
  label?: string | null | undefined;
  help?: string | null | undefined;
  test_parameter: z.infer<typeof booleanTest> | z.infer<typeof selectTest>;
  whens: { discriminator: string | boolean; parameters: ToolInput[] }[];
}
export interface RepeatInput {
  type: "repeat";
  name: string;
  label?: string | null | undefined;
  help?: string | null | undefined;
  min?: number | null | undefined;
  max?: number | null | undefined;
  parameters: ToolInput[];
}
export interface SectionInput {
  type: "section";
  name: string;
  label?: string | null | undefined;
  help?: string | null | undefined;
  parameters: ToolInput[];
}
export type ToolInput = LeafInput | ConditionalInput | RepeatInput | SectionInput;

const parameters: z.ZodType<ToolInput[]> = z.lazy(() => z.array(toolInput));
const grouped = { name, label: text.nullish(), help: text.nullish() };
const toolInput: z.ZodType<ToolInput> = z.lazy(() =>
  z.discriminatedUnion("type", [
    ...leafs,
    z.strictObject({
      type: z.literal("conditional"),
      ...grouped,
      test_parameter: z.discriminatedUnion("type", [booleanTest, selectTest]),
      whens: z.array(z.strictObject({ discriminator: z.union([text, z.boolean()]), parameters })),
    }),
    z.strictObject({
      type: z.literal("repeat"),
      ...grouped,
      min: z.int().nullish(),
      max: z.int().nullish(),
      parameters,
    }),
    z.strictObject({ type: z.literal("section"), ...grouped, parameters }),
  ]),
) as z.ZodType<ToolInput>;

const output = z.strictObject({
  type: z.literal("data"),
  name,
  label: text.nullish(),
  hidden: z.boolean().optional(),
  format: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be a datatype's extension, such as txt")
    .nullish(),
  format_source: text.nullish(),
  metadata_source: text.nullish(),
  from_work_dir: notBlank,
});
export type ToolOutput = z.infer<typeof output>;

const requirement = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("javascript"), expression_lib: z.array(text) }),
  z.strictObject({
    type: z.literal("resource"),
    ...Object.fromEntries(
      [
        "cores_min",
        "cores_max",
        "ram_min",
        "ram_max",
        "tmpdir_min",
        "tmpdir_max",
        "cuda_compute_capability",
        "gpu_memory_min",
        "cuda_device_count_min",
        "cuda_device_count_max",
        "timelimit",
      ].map((key) => [key, z.union([z.number(), text]).nullish()]),
    ),
    cuda_version_min: z.union([z.number(), text]).nullish(),
    shm_size: text.nullish(),
  }),
  z.looseObject({ type: z.literal("container") }),
]);

const citation = z
  .strictObject({
    type: text,
    content: text,
  })
  .superRefine((value, context) => {
    if (value.type === "doi" && !/^10\.\d{4,9}\/.+$/.test(value.content))
      context.addIssue({ code: "custom", path: ["content"], message: "is no DOI (10.NNNN/…)" });
    if (value.type === "bibtex" && !/^\s*@\w+\s*\{/.test(value.content))
      context.addIssue({ code: "custom", path: ["content"], message: "is no BibTeX entry (@type{…)" });
  });

const configfile = z.strictObject({
  name: text.nullish(),
  filename: text.nullish(),
  content: text,
  eval_engine: z.literal("ecmascript").optional(),
});
export type ConfigFile = z.infer<typeof configfile>;

export const userToolSource = z.strictObject({
  class: z.enum(["GalaxyUserTool", "GalaxyTool"]),
  id: z.string().regex(/^[a-z][a-z0-9_-]{2,254}$/, "must match [a-z][a-z0-9_-]*, 3 to 255 characters"),
  name: notBlank,
  version: z
    .string("must be a text; put it in quotes")
    .refine((value) => value.trim() !== "", { message: "must not be blank" }),
  description: text.nullish(),
  container: notBlank.nullish(),
  shell_command: notBlank,
  inputs: z.array(toolInput).default([]),
  outputs: z.array(output).default([]),
  configfiles: z.array(configfile).default([]),
  requirements: z.array(requirement).default([]),
  citations: z.array(citation).default([]),
  license: text.nullish(),
  profile: z.union([text, z.number()]).nullish(),
  edam_operations: z.array(text).nullish(),
  edam_topics: z.array(text).nullish(),
  xrefs: z.array(z.strictObject({ type: text, value: text })).nullish(),
  help: z
    .union([
      z.strictObject({ format: z.enum(["restructuredtext", "plain_text", "markdown"]), content: text }),
      text,
    ])
    .nullish(),
  tests: z.array(z.unknown()).nullish(),
});
export type UserToolSource = z.infer<typeof userToolSource>;
