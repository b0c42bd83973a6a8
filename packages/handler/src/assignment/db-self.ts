import type { AssignmentMethod } from "./assignment.ts";

/** The process that creates the job handles it, by its name in the row (galaxy.md 2.3). A configured tag goes to the next method. */
export const dbSelf: AssignmentMethod = {
  name: "db-self",
  assign: ({ serverName, configured }) => (configured === undefined ? { handler: serverName } : undefined),
};
