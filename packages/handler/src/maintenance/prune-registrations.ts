import { pruneIncarnations, pruneMaintenanceRuns, pruneVirtualTime } from "@galaxy-jobs/shared-db";
import type { MaintenanceTask } from "./maintenance-task.ts";

const batch = 1_000;

/** Forgets starts of handlers and runs of maintenance that ended long ago. */
export const pruneRegistrations: MaintenanceTask = {
  name: "prune-registrations",
  description: "forgets starts of handlers, and runs of maintenance, that ended long ago",
  schedule: "17 * * * *",
  async run({ config, database, stopping }) {
    const { registrationDays } = config.maintenance;
    let registrations = 0;
    for (let pruned = batch; pruned === batch && !stopping.aborted; registrations += pruned)
      pruned = await pruneIncarnations(database, registrationDays, batch);
    let virtualTimes = 0;
    for (let pruned = batch; pruned === batch && !stopping.aborted; virtualTimes += pruned)
      pruned = await pruneVirtualTime(database, batch);
    return {
      registrations,
      virtualTimes,
      maintenanceRuns: await pruneMaintenanceRuns(database, registrationDays),
    };
  },
};
