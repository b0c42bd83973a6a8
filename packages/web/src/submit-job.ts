import { findToolMapping, HandlerAssignmentError, type Assignment } from "@galaxy-jobs/handler";
import { ensureDefaultHistory, type Json, type NewJob, type UserRow } from "@galaxy-jobs/shared-db";
import {
  checkInputs,
  dataReferences,
  mapDataReferences,
  type InputValues,
  type Tool,
} from "@galaxy-jobs/tools";
import type { z } from "zod";
import { ApiError, codes } from "./api-error.ts";
import { decodeId, ownedDataset, ownedHistory } from "./owned.ts";
import { dataset, jobSummary } from "./represent.ts";
import type { runAnswer } from "./schemas/tool.ts";
import type { WebContext } from "./web-context.ts";

export interface Submission {
  readonly user: UserRow;
  readonly isAdmin: boolean;
  readonly tool: Tool;
  readonly historyId: string | undefined;
  readonly inputs: unknown;
}

/** @throws ApiError, in Galaxy's words, when there is no such tool */
export function findTool(context: WebContext, id: string, version: string | undefined): Tool {
  const tool = context.toolBox().get(id, version);
  if (tool === undefined)
    throw new ApiError(codes.notFound, `Could not find tool with id '${id.slice(0, 255)}'.`);
  return tool;
}

/** A request's inputs with the defaults filled in. @throws ApiError that names every fault by the input's flat name */
export function checkedInputs(tool: Tool, raw: unknown): InputValues {
  const checked = checkInputs(tool, raw);
  if (checked.ok) return checked.inputs;
  const data = Object.fromEntries(checked.faults.map((fault) => [fault.key ?? "", sentence(fault)]));
  throw new ApiError(
    codes.invalid,
    checked.faults.map((fault) => `${fault.key ?? ""}: ${sentence(fault)}`).join("; "),
    data,
  );
}

/** Inputs as a job's row keeps them: datasets by their row. */
export function storedParameters(context: WebContext, tool: Tool, inputs: InputValues): Record<string, Json> {
  return mapDataReferences(tool, inputs, (reference) => ({
    src: "hda",
    id: decodeId(context, "dataset", reference.id),
  })) as Record<string, Json>;
}

/** A run that was checked: its job, and who shall have it. Nothing of it is written. */
interface PlannedRun {
  readonly job: NewJob;
  readonly assignment: Assignment;
}

/** Checks a run and writes its job, inputs, outputs and assignment as one transaction (galaxy.md 2.3, 6.4). @throws ApiError */
export async function submitJob(
  context: WebContext,
  submission: Submission,
): Promise<z.infer<typeof runAnswer>> {
  const { ids, submitQueue } = context;
  const { job: planned, assignment } = await plan(context, submission);
  const { job, outputs } = await submitQueue.add(planned);
  // Whoever shall handle it hears of it at once, where there is a way; all others got a hint, or find it in the table.
  if (job.state === "new") assignment.committed?.(job.id);
  return {
    outputs: outputs.map((output) => ({ ...dataset(ids, output.dataset), output_name: output.name })),
    output_collections: [],
    jobs: [jobSummary(ids, job, submission.isAdmin)],
    implicit_collections: [],
    produces_entry_points: false,
  };
}

async function plan(context: WebContext, submission: Submission): Promise<PlannedRun> {
  const { user, tool } = submission;
  const values = checkedInputs(tool, submission.inputs);
  const caller = { user, isAdmin: submission.isAdmin };
  const inputs = await Promise.all(
    dataReferences(tool, values).map(async ({ name, reference }) => {
      const row = await ownedDataset(context, caller, String(reference.id));
      if (row.deleted || row.purged)
        throw new ApiError(codes.invalid, `${name}: dataset ${row.hid} (${row.name}) is deleted`, {
          [name]: "this dataset is deleted",
        });
      return { name, id: row.id, hid: row.hid, extension: row.extension };
    }),
  );
  const params = storedParameters(context, tool, values);
  const historyId =
    submission.historyId === undefined
      ? (await ensureDefaultHistory(context.database, user.id)).id
      : (await ownedHistory(context, caller, submission.historyId)).id;
  const assignment = await assign(context, tool);
  const on = inputs.length === 0 ? "" : ` on data ${[...new Set(inputs.map(({ hid }) => hid))].join(", ")}`;
  const job: NewJob = {
    userId: user.id,
    historyId,
    toolId: tool.id,
    toolVersion: tool.version,
    galaxyVersion: context.release,
    params,
    handler: assignment.handler,
    assignedHandler: assignment.assignedHandler,
    assignedTag: assignment.assignedTag ?? null,
    priority: findToolMapping(context.config.jobs, tool)?.priority,
    inputs,
    outputs: tool.outputs.map((output) => ({
      name: output.name,
      label: `${output.label ?? tool.name}${on}`.slice(0, 255),
      extension:
        output.format ?? inputs.find(({ name }) => name === output.format_source)?.extension ?? "data",
      visible: output.hidden !== true,
    })),
  };
  return { job, assignment };
}

/** @throws ApiError in Galaxy's words when nobody can handle the job */
async function assign(context: WebContext, tool: Tool): Promise<Assignment> {
  try {
    return await context.assigner.assign(tool);
  } catch (error) {
    if (error instanceof HandlerAssignmentError) throw new ApiError(codes.assignmentFailed, error.message);
    throw error;
  }
}

function sentence({ message, remedy }: { message: string; remedy?: string }): string {
  return remedy === undefined ? message : `${message}; ${remedy}`;
}
