import { rm } from "node:fs/promises";
import { datasetPath, jobOutputs, type Database } from "@galaxy-jobs/shared-db";
import { atStep } from "../fault-points.ts";
import type { HandlerContext } from "../handler-context.ts";
import { jobFiles } from "../job-directory.ts";
import type { PreparedRun } from "../runners/runner.ts";
import { readStream } from "../streams.ts";
import { cleanUp } from "./clean-up.ts";
import { nothingLeft, writeEnd } from "./finish.ts";
import { hasDirectory, runnerOf } from "./runner-of.ts";

/**
 * Carries out the deletion of a job: ends its run with all its processes, keeps what it had written to its streams, and writes
 * `deleted` (galaxy.md 4.12).
 * @param run undefined when nothing of it was started
 */
export async function stop(
  context: HandlerContext,
  database: Database,
  job: { readonly id: number; readonly fence: number },
  run: PreparedRun | undefined,
): Promise<void> {
  context.events.emit("stop_requested", { job: job.id });
  let streams = {};
  if (run !== undefined) {
    await atStep(context.fault, "stop.run", () => runnerOf(context, run.destination.runner).stop(run));
    if (hasDirectory(context, run)) {
      const files = jobFiles(run.directory, job.id);
      streams = {
        toolStdout: await readStream(files.toolStdout),
        toolStderr: await readStream(files.toolStderr),
      };
    }
  }
  const written = await writeEnd(context, {
    ...nothingLeft(job),
    ...streams,
    state: "deleted",
    info: null,
  });
  if (run !== undefined && written) {
    for (const { uuid } of await jobOutputs(database, job.id))
      await rm(datasetPath(context.config.fileDirectory, uuid), { force: true });
    await cleanUp(context, run, "deleted");
  }
  context.events.emit("stopped", { job: job.id });
}
