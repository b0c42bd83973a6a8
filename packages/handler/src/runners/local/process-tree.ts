import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** The variable that marks every process of a run, also one that left its session and its parents. */
export const runMarker = "GALAXY_JOB_RUN_DIRECTORY";

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly state: string;
}

/**
 * Ends all processes of a run: those that carry its mark in their environment, and the descendants of these. First TERM; after
 * `grace` KILL, again until none is left, since a process may fork while it is being looked for.
 * @param grace ms between TERM and KILL
 * @param deadline ms after which it gives up
 * @returns whether none is left
 */
export async function endProcessTree(
  runDirectory: string,
  { grace, deadline }: { grace: number; deadline: number },
): Promise<boolean> {
  const began = performance.now();
  let signal: NodeJS.Signals = "SIGTERM";
  let signalled = new Set<number>();
  while (performance.now() - began < deadline) {
    const members = await processesOf(runDirectory);
    if (members.length === 0) return true;
    if (performance.now() - began >= grace && signal !== "SIGKILL") {
      signal = "SIGKILL";
      signalled = new Set();
    }
    for (const pid of members) {
      if (signal === "SIGTERM" && signalled.has(pid)) continue;
      signalled.add(pid);
      send(pid, signal);
    }
    await sleep(20);
  }
  return (await processesOf(runDirectory)).length === 0;
}

/** The pids of a run's processes, without those that are dead and only not reaped yet. */
export async function processesOf(runDirectory: string): Promise<number[]> {
  const entries = await listProcesses();
  const mark = Buffer.from(`${runMarker}=${runDirectory}\0`);
  const members = new Set<number>();
  const sessions = new Set<number>();
  for (const { pid, session } of entries) {
    const environment = await readFile(`/proc/${pid}/environ`).catch(() => undefined);
    if (
      environment === undefined ||
      !`\0${environment.toString("latin1")}\0`.includes(`\0${mark.toString("latin1")}`)
    )
      continue;
    members.add(pid);
    sessions.add(session);
  }
  let grew = true;
  while (grew) {
    grew = false;
    for (const { pid, parent, session } of entries) {
      if (!members.has(pid) && (members.has(parent) || (sessions.has(session) && session !== 0))) {
        members.add(pid);
        grew = true;
      }
    }
  }
  members.delete(process.pid);
  return [...members];
}

async function listProcesses(): Promise<ProcessEntry[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const entries = await Promise.all(pids.map((pid) => readStat(Number(pid))));
  return entries.filter(
    (entry) => entry !== undefined && entry.state !== "Z" && entry.state !== "X",
  ) as ProcessEntry[];
}

async function readStat(pid: number): Promise<ProcessEntry | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The command's name stands in parentheses and may hold anything, parentheses too.
  const [state, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { pid, state: state!, parent: Number(parent), session: Number(session) };
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in between.
  }
}
