import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { heartbeatIfLive, openDatabase, type Database } from "@galaxy-jobs/shared-db/heartbeat";
import { pulseViews, type PulseNews, type PulseSettings } from "./pulse.ts";

/**
 * The heartbeat thread of a handler: renews the lease through a connection of its own, whatever the main loop is busy with,
 * as long as that loop turns at all. A heartbeat that is not answered in time is given up with its connection, so that a
 * half-open one costs a part of the lease and not all of it.
 */
const settings = workerData as PulseSettings;
const { signs, heldUntil } = pulseViews(settings.memory);
/** Between two heartbeats, and what one may take, ms. */
const interval = settings.lease / 3;
/** Between two tries after a failure, ms. */
const retry = Math.max(50, settings.lease / 15);
/** Between two looks at the main loop, ms. */
const look = Math.min(interval, settings.stuckAfter / 4);

const stopping = new AbortController();
parentPort!.once("message", () => stopping.abort());
await beat();

async function beat(): Promise<void> {
  let database = open();
  let due = performance.now();
  let sign = Atomics.load(signs, 0);
  let seen = performance.now();
  let stuck = 0;
  while (!stopping.signal.aborted) {
    const now = performance.now();
    const moved = Atomics.load(signs, 0);
    if (moved === sign) {
      const before = stuck;
      // A pause of the whole process (SIGSTOP, a suspended machine) is not the main loop's fault.
      stuck += Math.min(now - seen, 2 * look);
      if (stuck >= settings.stuckAfter && before < settings.stuckAfter) cryStuck(stuck);
    } else {
      if (stuck >= settings.stuckAfter) tell({ kind: "stuck", stuck });
      stuck = 0;
    }
    sign = moved;
    seen = now;
    if (now >= due && stuck < settings.stuckAfter) {
      const failure = await renew(database);
      if (failure === "fenced") break;
      if (failure !== undefined) {
        tell({ kind: "missed", reason: failure });
        void database.end({ timeout: 0 }).catch(() => undefined);
        database = open();
      }
      due = now + (failure === undefined ? interval : retry);
    }
    const wait = Math.max(1, Math.min(due - performance.now(), look));
    await sleep(wait, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
  await database.end({ timeout: 1 }).catch(() => undefined);
}

/** @returns undefined when the lease is renewed, else `fenced`, or what went wrong */
async function renew(database: Database): Promise<string | undefined> {
  // Counted from before the statement: by the database's clock the lease ends later than here.
  const asked = process.hrtime.bigint();
  const late = new AbortController();
  try {
    const live = await Promise.race([
      heartbeatIfLive(database, settings.incarnationId),
      sleep(interval, undefined, { signal: late.signal }),
    ]);
    if (live === undefined) return `no answer to a heartbeat in ${Math.round(interval)} ms`;
    if (!live) {
      Atomics.store(heldUntil, 0, 0n);
      tell({ kind: "fenced" });
      return "fenced";
    }
    Atomics.store(heldUntil, 0, asked + BigInt(Math.round(settings.lease * 1e6)));
    tell({ kind: "renewed" });
    return undefined;
  } catch (error) {
    return error instanceof Error && error.message !== "" ? error.message : String(error);
  } finally {
    late.abort();
  }
}

function open(): Database {
  return openDatabase(settings.address, {
    applicationName: settings.applicationName,
    maxConnections: 1,
    statementTimeout: Math.max(100, Math.round(interval)),
    connectTimeout: interval / 1000,
  });
}

/** The main loop cannot log this, and this thread shares nothing with its log but standard error. */
function cryStuck(stuck: number): void {
  const what = `the main loop has not turned for ${Math.round(stuck)} ms: this handler gives no more signs of life, others will take over its jobs`;
  writeSync(2, `${new Date().toISOString()} ERROR handler.stuck reason=${JSON.stringify(what)}\n`);
}

function tell(news: PulseNews): void {
  parentPort!.postMessage(news);
}
