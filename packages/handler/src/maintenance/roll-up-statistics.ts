import { rollUpStatistics } from "@galaxy-jobs/shared-db";
import type { MaintenanceTask } from "./maintenance-task.ts";

/** A transaction that writes history takes seconds at most: after so long none is under way any more. */
const settled = 120;
const batch = 20_000;

/** Counts the jobs that ended, by hour, tool and destination; the counts stay when the jobs are purged. */
export const rollUpJobStatistics: MaintenanceTask = {
  name: "roll-up-statistics",
  description: "adds the jobs that ended to the hourly statistics",
  schedule: "*/5 * * * *",
  async run({ database, stopping }) {
    let changes = 0;
    for (let read = batch; read === batch && !stopping.aborted; changes += read)
      read = await rollUpStatistics(database, { settled, most: batch });
    return { changes };
  },
};
