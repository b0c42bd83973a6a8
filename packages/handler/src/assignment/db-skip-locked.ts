import { defaultTag, type AssignmentMethod } from "./assignment.ts";

/** The job carries a tag; the handlers that listen to it take it with FOR UPDATE SKIP LOCKED (galaxy.md 2.3, 2.4). */
export const dbSkipLocked: AssignmentMethod = {
  name: "db-skip-locked",
  assign: ({ configured }) => ({ handler: configured ?? defaultTag }),
};
