import type { AssignmentMethod } from "./assignment.ts";
import { dbPreassign } from "./db-preassign.ts";
import { selfTag } from "./process-role.ts";

/** The process that creates the job handles it, by its name in the row; a configured tag is preassigned (galaxy.md 2.3). */
export const dbSelf: AssignmentMethod = {
  name: "db-self",
  assign: async (request, process) => {
    const { serverName, self } = process;
    if (request.configured !== undefined) {
      const preassigned = await dbPreassign.assign(request, process);
      return preassigned === undefined ? undefined : { ...preassigned, method: "db-self" };
    }
    if (self === undefined) return undefined;
    const assigned = { handler: serverName, assignedHandler: serverName, assignedTag: selfTag(serverName) };
    return { method: "db-self", ...assigned, committed: self };
  },
};
