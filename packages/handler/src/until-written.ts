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
  // Most writes are answered at once, and need no frame of their own that waits.
  return (at, job, write) =>
    (lease.held() ? write() : lease.whenHeld().then(write)).catch((error: unknown) =>
      again({ at, job, write, error }),
    );

  async function again<T>(first: {
    readonly at: string;
    readonly job: number;
    readonly write: () => Promise<T>;
    readonly error: unknown;
  }): Promise<T> {
    const { at, job, write } = first;
    let { error } = first;
    for (let wait = 50; ; wait = Math.min(wait * 2, longestWait)) {
      if (!passes(error)) throw error;
      events.emit("trouble", { at, job, error });
      if (stopping.aborted) throw error;
      await sleep(wait, undefined, { signal: stopping }).catch(() => undefined);
      await lease.whenHeld();
      try {
        return await write();
      } catch (failure) {
        error = failure;
      }
    }
  }
}

function passes(error: unknown): boolean {
  return isConnectionError(error) || isPassingConflict(error) || errorCode(error) === sqlState.queryCanceled;
}
