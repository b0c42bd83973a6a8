import type { ListenerSpec } from "@galaxy-jobs/runtime";
import type { MetricsFromChild, MetricsToChild } from "./metrics-messages.ts";

/** What the master tells a web worker. With `type: "connection"` comes the socket. */
export type ToWorker =
  | { readonly type: "start"; readonly listeners: readonly ListenerSpec[] }
  | { readonly type: "connection"; readonly listener: string; readonly number: number }
  /** Answer what you have, take nothing more, and end; patience in ms. */
  | { readonly type: "drain"; readonly patience: number }
  | MetricsToChild;

/** What a web worker tells, each second. */
export interface WorkerStatus {
  readonly type: "status";
  /** Requests answered so far. */
  readonly requests: number;
  /** Mean time of the recent ones, µs. */
  readonly avgRtUs: number;
  /** Bytes. */
  readonly rss: number;
  /** Requests under way. */
  readonly busy: number;
  /** Since when the oldest of them waits for its answer, ms since 1970. */
  readonly oldestActiveSince?: number;
  /** Open connections. */
  readonly open: number;
  /** Number of the last connection that had been handed over: the master knows of those since. */
  readonly accepted: number;
  /** Bytes sent to clients so far. */
  readonly txBytes: number;
  /** Answers with a status of 500 or more, so far. */
  readonly exceptions: number;
  /** Time spent on all requests, µs. */
  readonly runningUs: number;
}

export type FromChild =
  | { readonly type: "ready"; readonly serverName: string }
  | WorkerStatus
  /** The connection is here, and nothing of it was read yet. */
  | { readonly type: "accepted"; readonly number: number }
  | { readonly type: "drained" }
  /** Could not start: the text for the administrator. */
  | { readonly type: "failed"; readonly text: string }
  /** A message for one mule of a farm. */
  | { readonly type: "mule"; readonly farm: string; readonly content: unknown }
  | MetricsFromChild;

export function isFromChild(message: unknown): message is FromChild {
  return typeof message === "object" && message !== null && "type" in message;
}
