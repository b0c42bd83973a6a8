import type { JobLimits } from "@galaxy-jobs/runtime";
import {
  inputDeletedInfo,
  inputInErrorInfo,
  totalRunSeconds,
  type Database,
  type JobInput,
  type JobOutput,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { mapDataReferences, type InputValues, type Tool } from "@galaxy-jobs/tools";
import type { HandlerContext } from "../handler-context.ts";
import { clockTime } from "../limits/run-limits.ts";

/** Whether a claimed job may go on (galaxy.md 4.5). */
export type Admission =
  | ({ readonly verdict: "go"; readonly tool: Tool } & JobFiles)
  | { readonly verdict: "pause"; readonly info: string }
  | { readonly verdict: "fail"; readonly info: string };

/** The datasets of a job. */
export interface JobFiles {
  readonly inputs: readonly JobInput[];
  readonly outputs: readonly JobOutput[];
}

export const toolGoneInfo =
  "This tool was disabled before the job completed.  Please contact your Galaxy administrator.";

/** Looks at a job's tool and inputs as they are now; they may have changed since it was submitted. */
export async function admit(context: HandlerContext, database: Database, job: JobRow): Promise<Admission> {
  const tool = context.toolBox().get(job.toolId, job.toolVersion);
  if (tool === undefined) return { verdict: "fail", info: toolGoneInfo };
  const [inputs, outputs] = await Promise.all([context.files.inputs(job.id), context.files.outputs(job.id)]);
  const gone = inputs.find(({ deleted, purged, state }) => deleted || purged || state === "discarded");
  if (gone !== undefined) return { verdict: "fail", info: `${inputDeletedInfo}: ${gone.name}` };
  if (inputs.some(({ state }) => state !== "ok" && state !== "empty"))
    return { verdict: "pause", info: inputInErrorInfo };
  const overTime = await overTotalWalltime(context.config.jobs.limits, database, job);
  if (overTime !== undefined) return { verdict: "pause", info: overTime };
  return { verdict: "go", tool, inputs, outputs };
}

/** Whether a job's parameters name a dataset. */
export function namesInputs(job: JobRow, tool: Tool): boolean {
  let any = false;
  mapDataReferences(tool, job.params as InputValues, (reference) => {
    any = true;
    return reference;
  });
  return any;
}

/** total_walltime: what a user's ok jobs of the last days ran together (galaxy.md 3.7). */
async function overTotalWalltime(
  { totalWalltime }: JobLimits,
  database: Database,
  { userId }: JobRow,
): Promise<string | undefined> {
  if (totalWalltime === undefined || userId === null) return undefined;
  const { seconds, windowDays } = totalWalltime;
  const used = await totalRunSeconds(database, userId, windowDays);
  if (used < seconds) return undefined;
  return (
    `Execution of this dataset's job is paused because the jobs of the last ${windowDays} days ran ` +
    `${clockTime(used)} of ${clockTime(seconds)} allowed (total_walltime). Resume it later.`
  );
}
