import {
  inputDeletedInfo,
  inputInErrorInfo,
  jobInputs,
  type Database,
  type JobInput,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import type { Tool } from "@galaxy-jobs/tools";
import type { HandlerContext } from "../handler-context.ts";

/** Whether a claimed job may go on (galaxy.md 4.5). */
export type Admission =
  | { readonly verdict: "go"; readonly tool: Tool; readonly inputs: readonly JobInput[] }
  | { readonly verdict: "pause"; readonly info: string }
  | { readonly verdict: "fail"; readonly info: string };

export const toolGoneInfo =
  "This tool was disabled before the job completed.  Please contact your Galaxy administrator.";

/** Looks at a job's tool and inputs as they are now; they may have changed since it was submitted. */
export async function admit(context: HandlerContext, database: Database, job: JobRow): Promise<Admission> {
  const tool = context.toolBox().get(job.toolId, job.toolVersion);
  if (tool === undefined) return { verdict: "fail", info: toolGoneInfo };
  const inputs = await jobInputs(database, job.id);
  const gone = inputs.find(({ deleted, purged, state }) => deleted || purged || state === "discarded");
  if (gone !== undefined) return { verdict: "fail", info: `${inputDeletedInfo}: ${gone.name}` };
  if (inputs.some(({ state }) => state !== "ok" && state !== "empty"))
    return { verdict: "pause", info: inputInErrorInfo };
  return { verdict: "go", tool, inputs };
}
