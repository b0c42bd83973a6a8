import { isDrained, liveHandlersOf } from "@galaxy-jobs/shared-db";
import { defaultTag, type AssignmentMethod } from "./assignment.ts";
import { dbPreassign } from "./db-preassign.ts";
import { selfTag } from "./process-role.ts";

/**
 * The process that creates the job handles it, by its name in the row; a configured tag is preassigned (galaxy.md 2.3). A
 * drained process passes the job on to a live handler of the default pool, as long as there is one.
 */
export const dbSelf: AssignmentMethod = {
  name: "db-self",
  assign: async (request, process) => {
    const { serverName, self } = process;
    if (request.configured !== undefined) {
      const preassigned = await dbPreassign.assign(request, process);
      return preassigned === undefined ? undefined : { ...preassigned, method: "db-self" };
    }
    if (self === undefined) return undefined;
    if (
      (await isDrained(process.database, serverName)) &&
      (await liveHandlersOf(process.database, defaultTag)).length > 0
    )
      return { method: "db-self", handler: defaultTag, assignedHandler: defaultTag };
    const assigned = { handler: serverName, assignedHandler: serverName, assignedTag: selfTag(serverName) };
    return { method: "db-self", ...assigned, committed: self };
  },
};
