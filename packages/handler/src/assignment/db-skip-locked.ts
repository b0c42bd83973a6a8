import { claimJobsSkippingLocked } from "@galaxy-jobs/shared-db";
import { defaultTag, type AssignmentMethod } from "./assignment.ts";

/** The job carries a tag; the handlers that listen to it take it with FOR UPDATE SKIP LOCKED (galaxy.md 2.3, 2.4). */
export const dbSkipLocked: AssignmentMethod = {
  name: "db-skip-locked",
  assign: ({ configured }) => {
    const handler = configured ?? defaultTag;
    return Promise.resolve({ method: "db-skip-locked", handler, assignedHandler: handler });
  },
  claim: claimJobsSkippingLocked,
};
