import type { AssignmentMethodName } from "@galaxy-jobs/runtime";
import type { ClaimedJob, ClaimRequest, Database } from "@galaxy-jobs/shared-db";
import type { HandlerMap } from "./handler-map.ts";
import type { MuleMessages } from "./mule-message.ts";

/** What assignment decided for one job: where its row points before it is written, and what follows the commit (galaxy.md 2.3). */
export interface Assignment {
  readonly method: AssignmentMethodName | "direct";
  /** A handler id, or a tag that handlers listen to; null when a message gives the job to a handler. */
  readonly handler: string | null;
  /** Handler id or tag that the job goes back to when its handler releases it. */
  readonly assignedHandler: string;
  /** The tag whose handlers may take the job when that handler is dead (handler_failover); absent where only it may. */
  readonly assignedTag?: string;
  /** Tells the handler; called with the job's id when the job is committed. */
  readonly committed?: (jobId: number) => void;
}

export interface AssignmentRequest {
  readonly toolId: string;
  /** Handler id or tag that the tool is mapped to, or the default of job_conf. */
  readonly configured: string | undefined;
}

/** What a method may use of the process that creates the job. */
export interface AssigningProcess {
  /** Its name. */
  readonly serverName: string;
  readonly database: Database;
  /** The handlers of job_conf. */
  readonly handlers: HandlerMap;
  /** The handler inside this process, where it has one: called with a job for it. */
  readonly self: ((jobId: number) => void) | undefined;
  /** The way to mules, where this process has one. */
  readonly mules: MuleMessages | undefined;
  /** Says once that something configured has no effect. */
  readonly warn: (message: string) => void;
}

/** One of Galaxy's handler assignment methods: both its sides. */
export interface AssignmentMethod {
  readonly name: AssignmentMethodName;
  /**
   * For the process that creates a job.
   * @returns undefined when this method cannot serve the request and the next one shall be tried
   */
  assign(request: AssignmentRequest, process: AssigningProcess): Promise<Assignment | undefined>;
  /** For handlers, where the method leaves it to them to take the jobs of their tags. */
  readonly claim?: (database: Database, request: ClaimRequest) => Promise<ClaimedJob[]>;
}

/** The tag of handlers without tags (galaxy.md 1.1). */
export const defaultTag = "_default_";
