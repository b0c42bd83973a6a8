import { jobStates } from "@galaxy-jobs/shared-db";
import { z } from "zod";
import { encodedId, time } from "./fields.ts";

/** The job's parts of Galaxy's API (galaxy.md 6.2). */
export const jobState = z.enum(jobStates).meta({ id: "JobState" });

export const jobSummaryAnswer = z
  .strictObject({
    model_class: z.literal("Job"),
    id: encodedId,
    tool_id: z.string(),
    tool_version: z.string(),
    history_id: encodedId.nullable(),
    state: jobState,
    exit_code: z.int().nullable(),
    create_time: time,
    update_time: time,
    galaxy_version: z.string(),
    info: z.string().nullable(),
    external_id: z
      .string()
      .nullable()
      .optional()
      .meta({ description: "Administrators only, like those below." }),
    handler: z.string().nullable().optional(),
    job_runner_name: z.string().nullable().optional(),
    traceback: z.string().nullable().optional(),
    command_line: z.string().nullable().optional(),
    user_email: z
      .string()
      .nullable()
      .optional()
      .meta({ description: "With user_details or view=admin_job_list." }),
    user_id: encodedId.nullable().optional(),
    session_id: z.null().optional(),
    remote_host: z.null().optional(),
  })
  .meta({ id: "Job" });

const datasetReference = z.strictObject({ src: z.literal("hda"), id: encodedId });

export const namedDataset = z
  .strictObject({ name: z.string(), dataset: datasetReference })
  .meta({ id: "NamedDataset" });

export const jobMetric = z
  .strictObject({
    plugin: z.string(),
    name: z.string(),
    title: z.string(),
    value: z.string(),
    raw_value: z.string(),
  })
  .meta({ id: "JobMetric" });

const datasetsByName = z.record(z.string(), datasetReference.extend({ uuid: z.string() }));

export const jobAttempt = z
  .strictObject({
    attempt: z.int(),
    handler: z.string(),
    destination_id: z.string().nullable(),
    cause: z.string().meta({ description: "As conditions of resubmission name it." }),
    info: z.string().nullable(),
    exit_code: z.int().nullable(),
    start_time: time.nullable(),
    end_time: time,
    tool_stdout: z.string().nullable(),
    tool_stderr: z.string().nullable(),
    job_runner_name: z.string().nullable().optional(),
    external_id: z.string().nullable().optional(),
  })
  .meta({ id: "JobAttempt" });

export const fullJobAnswer = jobSummaryAnswer
  .extend({
    params: z.record(z.string(), z.string()).meta({ description: "Each value as JSON." }),
    inputs: datasetsByName,
    outputs: datasetsByName,
    output_collections: z.strictObject({}),
    command_line: z.string().nullable(),
    stdout: z.string(),
    stderr: z.string(),
    tool_stdout: z.string().nullable(),
    tool_stderr: z.string().nullable(),
    job_stdout: z.string().nullable(),
    job_stderr: z.string().nullable(),
    job_messages: z.array(z.looseObject({ type: z.string(), desc: z.string() })),
    dependencies: z.array(z.unknown()).max(0),
    job_metrics: z.array(jobMetric),
    copied_from_job_id: z.null(),
    user_id: encodedId.nullable(),
    handler: z.string().nullable(),
    start_time: time.nullable(),
    end_time: time.nullable(),
    state_history: z.array(
      z.strictObject({ state: jobState, create_time: time, message: z.string().nullable() }),
    ),
    attempts: z.array(jobAttempt).meta({ description: "Those that failed and were followed by another." }),
  })
  .meta({ id: "FullJob" });

export const whyAnswer = z
  .strictObject({
    id: encodedId,
    state: jobState,
    code: z.string().meta({ description: "For programs." }),
    reason: z.string().meta({ description: "For people." }),
    since: time,
  })
  .meta({ id: "WhyJobWaits" });

export const consoleOutput = z
  .strictObject({
    state: jobState,
    stdout: z.string(),
    stderr: z.string(),
    stdout_start: z.int().meta({ description: "Position of the text's first byte in the whole stream." }),
    stdout_end: z
      .int()
      .meta({ description: "Position after its last byte: the stdout_position to ask for next." }),
    stderr_start: z.int(),
    stderr_end: z.int(),
  })
  .meta({ id: "ConsoleOutput" });

export const displayedParameters = z
  .strictObject({
    parameters: z.array(
      z.strictObject({
        text: z.string(),
        depth: z.int().min(1),
        value: z.union([
          z.string(),
          z.array(z.strictObject({ src: z.literal("hda"), id: encodedId, hid: z.int(), name: z.string() })),
        ]),
      }),
    ),
    has_parameter_errors: z.boolean(),
    outputs: z.record(z.string(), z.array(z.strictObject({ label: z.string(), value: datasetReference }))),
  })
  .meta({ id: "DisplayedParameters" });
