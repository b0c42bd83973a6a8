import type { JobState } from "./job-states.ts";
import type { Json } from "./sql.ts";

/** One line of job_messages: what made a job fail or what it was warned of (galaxy.md 4.9). */
export interface JobMessage {
  readonly type: string;
  readonly desc: string;
  readonly [key: string]: Json | undefined;
}

export interface JobRow {
  readonly id: number;
  readonly createTime: Date;
  readonly updateTime: Date;
  readonly userId: number | null;
  readonly historyId: number | null;
  readonly toolId: string;
  readonly toolVersion: string;
  readonly galaxyVersion: string;
  readonly state: JobState;
  readonly info: string | null;
  readonly params: Readonly<Record<string, Json>>;
  readonly assignedHandler: string | null;
  /** The tag that `assignedHandler` was chosen from. */
  readonly assignedTag: string | null;
  readonly handler: string | null;
  readonly incarnationId: number | null;
  /** 1 to 100: how little it counts against its user's turn. */
  readonly priority: number;
  /** Place in its queue, see docs/claim-order.md. */
  readonly ticket: number;
  readonly fence: number;
  readonly runFence: number | null;
  /** How often its handler died while it prepared the job. */
  readonly handlerDeaths: number;
  readonly commandLine: string | null;
  readonly jobRunnerName: string | null;
  readonly jobRunnerExternalId: string | null;
  readonly destinationId: string | null;
  readonly destinationParams: Readonly<Record<string, Json>> | null;
  /** How a rule came to its destination. */
  readonly destinationReason: string | null;
  readonly waitReason: string | null;
  readonly waitReasonTime: Date | null;
  readonly resubmitAfter: Date | null;
  readonly wantedDestination: string | null;
  readonly handedTo: string | null;
  readonly startTime: Date | null;
  readonly endTime: Date | null;
  readonly exitCode: number | null;
  readonly jobMessages: readonly JobMessage[] | null;
  readonly toolStdout: string | null;
  readonly toolStderr: string | null;
  readonly jobStdout: string | null;
  readonly jobStderr: string | null;
  readonly traceback: string | null;
}

/** A job together with the right to write to it: every write names both. */
export interface JobOwnership {
  readonly id: number;
  readonly fence: number;
}

export type DatasetState =
  | "new"
  | "upload"
  | "queued"
  | "running"
  | "ok"
  | "empty"
  | "error"
  | "paused"
  | "setting_metadata"
  | "failed_metadata"
  | "deferred"
  | "discarded";

/** A dataset as it stands in a history, with what its job and its file say. */
export interface HistoryDatasetRow {
  readonly id: number;
  readonly createTime: Date;
  readonly updateTime: Date;
  readonly historyId: number;
  readonly datasetId: number;
  readonly hid: number;
  readonly name: string;
  readonly extension: string;
  readonly info: string | null;
  readonly peek: string | null;
  readonly visible: boolean;
  readonly deleted: boolean;
  readonly purged: boolean;
  readonly uuid: string;
  readonly state: DatasetState;
  readonly fileSize: number | null;
  readonly creatingJobId: number | null;
  readonly userId: number | null;
}
