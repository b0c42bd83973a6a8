import { rm } from "node:fs/promises";
import type { HandlerContext } from "../handler-context.ts";

/** Removes the run directory after a job's end, as cleanup_job says (galaxy.md 4.7): always, onsuccess (deleted jobs too), never. */
export async function cleanUp(
  context: HandlerContext,
  directory: string,
  state: "ok" | "error" | "deleted",
): Promise<void> {
  const { cleanupJob } = context.config;
  if (cleanupJob === "never" || (cleanupJob === "onsuccess" && state === "error")) return;
  try {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    context.events.emit("trouble", { at: "clean-up", error });
  }
}
