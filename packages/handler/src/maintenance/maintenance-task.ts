import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import type { Database } from "@galaxy-jobs/shared-db";

export interface MaintenanceContext {
  readonly config: GalaxyConfig;
  readonly database: Database;
  /** Aborted when the process stops: a task ends after its present batch. */
  readonly stopping: AbortSignal;
}

/** Something that keeps an instance healthy over years. Run again after any interruption, it goes on where it was. */
export interface MaintenanceTask {
  readonly name: string;
  readonly description: string;
  /** When it is due, as a cron expression in UTC. */
  readonly schedule: string;
  /** @returns what it did, by name */
  run(context: MaintenanceContext): Promise<Readonly<Record<string, number>>>;
}
