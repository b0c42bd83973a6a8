import { purgeEndedJobs } from "@galaxy-jobs/shared-db";
import type { MaintenanceTask } from "./maintenance-task.ts";

const batch = 500;

/** Removes the rows of jobs that ended longer ago than `job_retention_days`; without that option all are kept, as in Galaxy. */
export const purgeJobs: MaintenanceTask = {
  name: "purge-jobs",
  description: "removes jobs that ended longer ago than job_retention_days; their datasets stay",
  schedule: "7 3 * * *",
  async run({ config, database, stopping }) {
    const { jobDays } = config.maintenance;
    if (jobDays === undefined) return { jobs: 0 };
    let jobs = 0;
    let afterId = 0;
    while (!stopping.aborted) {
      const purged = await purgeEndedJobs(database, { days: jobDays, afterId, most: batch });
      jobs += purged.length;
      if (purged.length < batch) break;
      afterId = purged.at(-1)!.id;
    }
    return { jobs };
  },
};
