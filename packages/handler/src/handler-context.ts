import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import type { Database } from "@galaxy-jobs/shared-db";
import type { ExpressionSandbox, ToolBox } from "@galaxy-jobs/tools";
import type { ClaimCursor } from "./claim-cursor.ts";
import type { Fault } from "./fault-points.ts";
import type { DestinationMapper } from "./destinations/map-destination.ts";
import type { ExpressRoutes } from "./express-routes.ts";
import type { JobEvents } from "./job-events.ts";
import type { Lease } from "./lease/lease.ts";
import type { JobFilesReader } from "./job-files-reader.ts";
import type { Runner } from "./runners/runner.ts";
import type { StateWriter } from "./state-writer.ts";

/** What every stage of a job needs; made once when the handler starts. */
export interface HandlerContext {
  readonly config: GalaxyConfig;
  readonly database: Database;
  readonly toolBox: () => ToolBox;
  readonly sandbox: ExpressionSandbox;
  readonly mapper: DestinationMapper;
  readonly runners: ReadonlyMap<string, Runner>;
  readonly events: JobEvents;
  /** Where the next claim begins. */
  readonly cursor: ClaimCursor;
  readonly tags: readonly string[];
  readonly incarnationId: number;
  /** Which job_working_directory this process sees. */
  readonly runDirectoryId: string;
  /** The right to act: nothing is started and nothing written without it. */
  readonly lease: Pick<Lease, "held" | "mayJudge" | "whenHeld">;
  /** Writes starts and ends of jobs, many at once. */
  readonly states: StateWriter;
  /** The tools whose jobs a claim may queue at once. */
  readonly express: ExpressRoutes;
  /** Reads inputs and outputs of jobs, of many at once. */
  readonly files: JobFilesReader;
  /** Armed in tests only. */
  readonly fault: Fault | undefined;
  /**
   * Runs a guarded write until the database has answered it: waits out a database that is away or a lease that is not held,
   * and repeats a lost conflict.
   * @throws FencedError, what else the write throws, and an error when the handler stops before the database is back
   */
  untilWritten<T>(at: string, job: number, write: () => Promise<T>): Promise<T>;
}
