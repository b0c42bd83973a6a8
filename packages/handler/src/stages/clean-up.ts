import { readdir, rm, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { readDestinationSettings } from "@galaxy-jobs/runtime";
import { atStep } from "../fault-points.ts";
import type { HandlerContext } from "../handler-context.ts";
import type { PreparedRun } from "../runners/runner.ts";
import { hasDirectory } from "./runner-of.ts";

/**
 * Removes the run directory after a job's end, as cleanup_job of its destination, or else of galaxy.yml, says (galaxy.md 3.5,
 * 4.7): always, onsuccess (deleted jobs too), never.
 */
export async function cleanUp(
  context: HandlerContext,
  run: PreparedRun,
  state: "ok" | "error" | "deleted",
): Promise<void> {
  if (!hasDirectory(context, run)) return;
  const { directory, destination } = run;
  const cleanupJob =
    readDestinationSettings(destination.params).settings.cleanupJob ?? context.config.cleanupJob;
  if (cleanupJob === "never" || (cleanupJob === "onsuccess" && state === "error")) return;
  try {
    await atStep(context.fault, "clean-up", () => remove(directory));
  } catch (error) {
    context.events.emit("trouble", { at: "clean-up", error });
  }
}

/** Half the calls that `rm` makes for a tree, which it looks at again and again. What it cannot do is left to `rm`. */
async function remove(directory: string): Promise<void> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    await Promise.all(
      entries.map((entry) => {
        const path = join(directory, entry.name);
        return entry.isDirectory() ? remove(path) : unlink(path);
      }),
    );
    await rmdir(directory);
  } catch {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
