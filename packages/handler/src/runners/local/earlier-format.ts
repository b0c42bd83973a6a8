import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { PreparedRun, RunEnd } from "../runner.ts";
import { writtenExitCode } from "./run-record.ts";

const execute = promisify(execFile);

/** What stands in `started` when a run was closed before it began. */
export const abandoned = "abandoned";

/**
 * Runs that releases up to 0.1 started: their supervisors hold a lock (flock) on `supervisor.lock`, say who they are in `started`
 * and leave the status in `ended`. An upgrade finds them under way.
 */
export function isEarlierFormat(directory: string): boolean {
  return existsSync(join(directory, "supervisor.lock"));
}

export type EarlierRun =
  | { readonly found: "not-started" }
  | { readonly found: "running"; readonly externalId: string }
  | { readonly found: "ended"; readonly end: RunEnd }
  | { readonly found: "gone"; readonly bootId: string };

/** What became of such a run. While the lock is free and ours, a supervisor that had only just been spawned is shut out. */
export async function lookAtEarlierRun(run: PreparedRun): Promise<EarlierRun> {
  const recorded = await readEarlierEnd(run);
  if (recorded !== undefined) return { found: "ended", end: recorded };
  const supervised = await isSupervised(run);
  const started = await readFile(join(run.directory, "started"), "utf8").catch(() => "");
  const [pid, , bootId] = started.trim().split(" ");
  if (supervised) return { found: "running", externalId: pid ?? "" };
  const end = await readEarlierEnd(run);
  if (end !== undefined) return { found: "ended", end };
  return started.trim() === abandoned ? { found: "not-started" } : { found: "gone", bootId: bootId ?? "" };
}

async function readEarlierEnd(run: PreparedRun): Promise<RunEnd | undefined> {
  const status = await readFile(join(run.directory, "ended"), "utf8").catch(() => undefined);
  if (status === undefined) return undefined;
  const exitCode = (await writtenExitCode(run)) ?? Number.parseInt(status, 10);
  return { exitCode: Number.isNaN(exitCode) ? null : exitCode, failure: null };
}

/** Only flock(1) can ask for a lock without a native module. */
async function isSupervised(run: PreparedRun): Promise<boolean> {
  const close = `[ -e started ] || echo ${abandoned} > started`;
  const flock = ["--nonblock", "--conflict-exit-code", "75", "supervisor.lock", "sh", "-c", close];
  try {
    await execute("flock", flock, { timeout: 10_000, cwd: run.directory });
    return false;
  } catch (error) {
    if ((error as { code?: unknown }).code === 75) return true;
    throw error;
  }
}
