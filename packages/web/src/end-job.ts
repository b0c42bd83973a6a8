import { channels, requestJobDeletion } from "@galaxy-jobs/shared-db";
import type { WebContext } from "./web-context.ts";

/**
 * Asks for the end of a job, and tells its handler (galaxy.md 4.3).
 * @param message why, for the user; without one Galaxy's words
 * @returns false when it had ended already
 */
export async function endJob(context: WebContext, jobId: number, message?: string): Promise<boolean> {
  const info = message ?? "Job output deleted by user before job completed.";
  const result = await requestJobDeletion(context.database, jobId, info);
  if (result.outcome === "deleting") context.hints.send(channels.stopRequests, result.handler);
  return result.outcome === "deleted" || result.outcome === "deleting";
}
