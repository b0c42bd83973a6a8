import { setTimeout as sleep } from "node:timers/promises";
import { errorCode, isConnectionError, isPassingConflict, sqlState } from "@galaxy-jobs/shared-db";
import type { HandlerContext } from "./handler-context.ts";
import type { JobEvents } from "./job-events.ts";

/** Longest wait between two tries, ms. */
const longestWait = 2000;

/**
 * Makes the `untilWritten` of a handler: a write is tried, while the lease is held, until the database has answered it.
 * @param stopping aborted when the handler stops: then the first failure is the last
 */
export function makeUntilWritten(
  lease: HandlerContext["lease"],
  events: JobEvents,
  stopping: AbortSignal,
): HandlerContext["untilWritten"] {
  return async (at, job, write) => {
    for (let wait = 50; ; wait = Math.min(wait * 2, longestWait)) {
      await lease.whenHeld();
      try {
        return await write();
      } catch (error) {
        if (!passes(error)) throw error;
        events.emit("trouble", { at, job, error });
        if (stopping.aborted) throw error;
        await sleep(wait, undefined, { signal: stopping }).catch(() => undefined);
      }
    }
  };
}

function passes(error: unknown): boolean {
  return isConnectionError(error) || isPassingConflict(error) || errorCode(error) === sqlState.queryCanceled;
}
