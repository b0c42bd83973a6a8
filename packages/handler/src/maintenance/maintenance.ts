import { hostname } from "node:os";
import { createTask, type ScheduledTask } from "node-cron";
import type { GalaxyConfig, Logger, Service } from "@galaxy-jobs/runtime";
import { runMaintenanceIfFree, type Database, type MaintenanceRun } from "@galaxy-jobs/shared-db";
import type { MaintenanceContext, MaintenanceTask } from "./maintenance-task.ts";
import { pruneRegistrations } from "./prune-registrations.ts";
import { purgeJobs } from "./purge-jobs.ts";
import { removeRunDirectories } from "./remove-run-directories.ts";
import { rollUpJobStatistics } from "./roll-up-statistics.ts";

export const maintenanceTasks: readonly MaintenanceTask[] = [
  rollUpJobStatistics,
  pruneRegistrations,
  removeRunDirectories,
  purgeJobs,
];

export interface MaintenanceOptions {
  readonly config: GalaxyConfig;
  readonly database: Database;
  readonly logger: Logger;
  /** Default: all of them. */
  readonly tasks?: readonly MaintenanceTask[];
}

/**
 * Runs each task when it is due. Every process that has this service tries; the database lets one have a task's run, whoever
 * comes first, so any number of processes may try and none is needed for it in particular.
 */
export class Maintenance implements Service {
  readonly name = "maintenance";
  readonly #options: MaintenanceOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #scheduled: ScheduledTask[] = [];

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    if (!this.#options.config.maintenance.enabled) return;
    this.#scheduled = (this.#options.tasks ?? maintenanceTasks).map((task) =>
      createTask(task.schedule, () => this.#due(task), {
        timezone: "Etc/UTC",
        name: task.name,
        noOverlap: true,
      }),
    );
    for (const task of this.#scheduled) await task.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const task of this.#scheduled) await task.destroy();
    this.#scheduled = [];
    await Promise.allSettled(this.#running);
  }

  /** Runs a task now, if no other process runs it. @returns undefined when one does, or has done so this minute */
  async run(task: MaintenanceTask): Promise<MaintenanceRun | undefined> {
    const { config, database } = this.#options;
    const context: MaintenanceContext = { config, database, stopping: this.#stopping.signal };
    const owner = { task: task.name, serverName: config.serverName, hostname: hostname() };
    return runMaintenanceIfFree(database, owner, () => task.run(context));
  }

  async #due(task: MaintenanceTask): Promise<void> {
    const running = this.run(task).then(
      (run) => {
        if (run !== undefined) this.#report(run);
      },
      // The database is away: the next time is soon enough.
      (error: unknown) => this.#options.logger.warn("maintenance.trouble", { task: task.name, error }),
    );
    this.#running.add(running);
    await running;
    this.#running.delete(running);
  }

  #report({ task, outcome, counts, error }: MaintenanceRun): void {
    const { logger } = this.#options;
    if (outcome === "failed") logger.error("maintenance.failed", { task, error });
    else logger.info("maintenance.done", { task, ...counts });
  }
}
