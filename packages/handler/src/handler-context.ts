import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import type { Database } from "@galaxy-jobs/shared-db";
import type { ExpressionSandbox, ToolBox } from "@galaxy-jobs/tools";
import type { DestinationMapper } from "./destinations/map-destination.ts";
import type { JobEvents } from "./job-events.ts";
import type { Runner } from "./runners/runner.ts";

/** What every stage of a job needs; made once when the handler starts. */
export interface HandlerContext {
  readonly config: GalaxyConfig;
  readonly database: Database;
  readonly toolBox: () => ToolBox;
  readonly sandbox: ExpressionSandbox;
  readonly mapper: DestinationMapper;
  readonly runners: ReadonlyMap<string, Runner>;
  readonly events: JobEvents;
  readonly tags: readonly string[];
  readonly incarnationId: number;
  /**
   * Runs a guarded write until the database has answered it: waits out a database that is away and repeats a lost conflict.
   * @throws what else the write throws, and an error when the handler stops before the database is back
   */
  untilWritten<T>(at: string, job: number, write: () => Promise<T>): Promise<T>;
}
