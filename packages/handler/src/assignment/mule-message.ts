import { defaultTag, type AssignmentMethod } from "./assignment.ts";
import { poolOfTag } from "./process-role.ts";

/** The way from the process that creates jobs to the mules; whoever owns the processes provides it. */
export interface MuleMessages {
  /** Whether there is a farm of this name: `job-handlers` or `job-handlers.<tag>`. */
  hasFarm(pool: string): boolean;
  /** Gives a message to one idle, living mule of the farm. */
  send(pool: string, message: JobHandlerMessage): void;
}

/** The message on the wire (galaxy.md 1.7). */
export interface JobHandlerMessage {
  readonly __classname__: "JobHandlerMessage";
  readonly target: "job_handler";
  readonly params: { readonly task: "setup"; readonly job_id: number };
}

/**
 * A mule of the tag's farm is told, and assigns the job to itself (galaxy.md 1.7, 2.3). The message follows the commit: it
 * never names a job that is not there. A job whose message was lost is offered to the handlers of its tag instead.
 */
export const muleMessage: AssignmentMethod = {
  name: "mule-message",
  assign: ({ configured }, { mules }) => {
    const tag = configured ?? defaultTag;
    const pool = poolOfTag(tag);
    if (mules?.hasFarm(pool) !== true) return Promise.resolve(undefined);
    return Promise.resolve({
      method: "mule-message",
      handler: null,
      assignedHandler: tag,
      committed: (jobId: number) =>
        mules.send(pool, {
          __classname__: "JobHandlerMessage",
          target: "job_handler",
          params: { task: "setup", job_id: jobId },
        }),
    });
  },
};

/** Reads a message; undefined for anything else than a complete one. */
export function readJobHandlerMessage(message: unknown): JobHandlerMessage | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const { __classname__: kind, params } = message as Partial<JobHandlerMessage>;
  if (kind !== "JobHandlerMessage" || typeof params !== "object" || params === null) return undefined;
  if (params.task !== "setup" || !Number.isSafeInteger(params.job_id)) return undefined;
  return message as JobHandlerMessage;
}
