import type { AssignmentMethod } from "./assignment.ts";
import { selfTag } from "./process-role.ts";

/**
 * The process that creates the job handles it, told in memory; what the tool is mapped to is ignored (galaxy.md 2.3). The row
 * names the process all the same, so that its next start finds what it had not begun.
 */
export const memSelf: AssignmentMethod = {
  name: "mem-self",
  assign: ({ configured, toolId }, { serverName, self, warn }) => {
    if (self === undefined) return Promise.resolve(undefined);
    if (configured !== undefined && configured !== serverName) {
      warn(
        `tool ${toolId} is mapped to the handler ${configured}, which mem-self ignores: every process handles the jobs that it creates`,
      );
    }
    return Promise.resolve({
      method: "mem-self",
      handler: serverName,
      assignedHandler: serverName,
      assignedTag: selfTag(serverName),
      committed: self,
    });
  },
};
