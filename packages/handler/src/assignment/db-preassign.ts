import { liveAmong, liveHandlersOf } from "@galaxy-jobs/shared-db";
import { defaultTag, type AssignmentMethod } from "./assignment.ts";

/**
 * One of the tag's handlers at random, chosen when the job is created (galaxy.md 2.3). Those of job_conf count and those that
 * have attached themselves to the tag's pool. Galaxy cannot tell dead handlers from live ones here; we choose among the live
 * that are not drained as long as there is one.
 */
export const dbPreassign: AssignmentMethod = {
  name: "db-preassign",
  assign: async ({ configured }, { handlers, database }) => {
    const tag = configured ?? defaultTag;
    const defined = handlers.idsOf(tag);
    const alive = defined.length === 0 ? new Set<string>() : await liveAmong(database, defined);
    const live = new Set([...alive, ...(await liveHandlersOf(database, tag))]);
    const candidates = live.size > 0 ? [...live] : defined;
    const handler = candidates[Math.floor(Math.random() * candidates.length)];
    if (handler === undefined) return undefined;
    return { method: "db-preassign", handler, assignedHandler: handler, assignedTag: tag };
  },
};
