import { EventEmitter } from "node:events";
import type { Facts, Logger } from "@galaxy-jobs/runtime";

/** What happens in a handler, as facts. Tests await these; `logJobEvents` turns them into log lines. */
export interface JobEventMap {
  registered: [{ incarnation: number; tags: readonly string[] }];
  claimed: [{ jobs: readonly number[] }];
  queued: [{ job: number; fence: number; runner: string; destination: string }];
  /** A handler of its pool has the runner of its destination, and this one has not. */
  sent_on: [{ job: number; runner: string }];
  /** A rule of a dynamic destination wrote a line. */
  rule_said: [{ destination: string; line: string }];
  /** It waits in the queue of a cluster. */
  submitted: [{ job: number; fence: number; externalId: string }];
  started: [{ job: number; fence: number; externalId: string }];
  ended: [{ job: number; fence: number; state: string; exitCode: number | null; info: string | null }];
  resubmitted: [
    {
      job: number;
      fence: number;
      /** That failed. */
      attempt: number;
      cause: string;
      destination: string;
      handler: string;
      /** Seconds. */
      delay: number;
    },
  ];
  paused: [{ job: number; info: string }];
  over_limit: [{ job: number; fence: number; info: string }];
  adopted: [{ job: number; found: string }];
  released: [{ jobs: number }];
  /** Another handler was found dead, and ended. */
  took_over: [{ handler: string; hostname: string; silentSeconds: number; releasedJobs: number }];
  /** Jobs of a handler that is silent were given to all handlers of its tag. */
  failed_over: [{ tag: string; jobs: number }];
  /** The database did not confirm a heartbeat. */
  heartbeat_missed: [{ incarnation: number; reason: string; held: boolean }];
  /** The main loop did not turn for so long; it does again. */
  stuck: [{ incarnation: number; milliseconds: number }];
  /** Somebody else owns the job now, or it was deleted: this process let go of it. */
  let_go: [{ job: number; fence: number; at: string }];
  stop_requested: [{ job: number }];
  stopped: [{ job: number }];
  trouble: [{ at: string; error: unknown; job?: number }];
  fenced: [{ incarnation: number }];
}

export class JobEvents extends EventEmitter<JobEventMap> {}

const levels: Partial<Record<keyof JobEventMap, "warn" | "error">> = {
  trouble: "error",
  let_go: "warn",
  fenced: "error",
  took_over: "warn",
  failed_over: "warn",
  heartbeat_missed: "warn",
  stuck: "error",
};
const names: readonly (keyof JobEventMap)[] = [
  "registered",
  "claimed",
  "queued",
  "sent_on",
  "rule_said",
  "submitted",
  "started",
  "ended",
  "resubmitted",
  "paused",
  "over_limit",
  "adopted",
  "released",
  "took_over",
  "failed_over",
  "heartbeat_missed",
  "stuck",
  "let_go",
  "stop_requested",
  "stopped",
  "trouble",
  "fenced",
];

/** One event, one line. */
export function logJobEvents(events: JobEvents, logger: Logger): void {
  for (const name of names) {
    const level = levels[name] ?? "info";
    const line = `job.${name}`;
    events.on(name, (facts: object) => logger[level](line, facts as Facts));
  }
}
