import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processStartTime } from "@galaxy-jobs/runtime";
import { killGroups, membersOf } from "./cgroups.ts";

/** The variable that marks every process of a run, also one that left its session and its parents. */
export const runMarker = "GALAXY_JOB_RUN_DIRECTORY";
/** The descriptor by which a run's processes hold its pipe. */
const pipeDescriptor = 7;

/** How the processes of a run are told from all others. */
export interface RunTree {
  readonly directory: string;
  readonly groups: readonly string[];
  /** Its supervisor, which is left to write the end; with its start time. */
  readonly supervisor: { readonly pid: number; readonly startTime: string } | undefined;
}

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly state: string;
  readonly startTime: string;
}

/**
 * Ends all processes of a run but its supervisor. First TERM; after `grace` KILL, again until none is left, since a process may
 * fork while it is being looked for.
 * @param grace ms between TERM and KILL
 * @param deadline ms after which it gives up
 * @param more whether there may be processes to come, though none is found
 * @returns whether none is left
 */
export async function endProcessTree(
  tree: RunTree,
  { grace, deadline, more }: { grace: number; deadline: number; more: () => boolean },
): Promise<boolean> {
  const began = performance.now();
  const terminated = new Set<number>();
  while (performance.now() - began < deadline) {
    const members = await processesOf(tree);
    if (members.length === 0 && !more()) return true;
    const kill = performance.now() - began >= grace;
    if (kill) killGroups(tree.groups);
    for (const member of members) {
      if (!kill && terminated.has(member.pid)) continue;
      terminated.add(member.pid);
      send(member, kill ? "SIGKILL" : "SIGTERM");
    }
    await sleep(20);
  }
  return (await processesOf(tree)).length === 0 && !more();
}

/**
 * The processes of a run, without those that are dead and only not reaped yet: those in its cgroups, those that carry its mark
 * in their environment or hold its pipe, and the descendants and sessions of these.
 */
export async function processesOf(tree: RunTree): Promise<ProcessEntry[]> {
  const entries = await listProcesses();
  const inGroups = new Set(membersOf(tree.groups));
  const pipe = await realpath(join(tree.directory, "alive")).catch(() => undefined);
  const members = new Set<number>();
  for (const { pid } of entries) {
    if (inGroups.has(pid) || (await hasMark(pid, tree.directory)) || (await holds(pid, pipe)))
      members.add(pid);
  }
  const { supervisor } = tree;
  const isSupervisor = ({ pid, startTime }: ProcessEntry) =>
    supervisor !== undefined && pid === supervisor.pid && startTime === supervisor.startTime;
  for (const entry of entries) if (isSupervisor(entry)) members.delete(entry.pid);
  let grew = true;
  while (grew) {
    grew = false;
    const sessions = sessionsOf(entries, members);
    for (const entry of entries) {
      if (members.has(entry.pid) || isSupervisor(entry)) continue;
      if (members.has(entry.parent) || sessions.has(entry.session)) {
        members.add(entry.pid);
        grew = true;
      }
    }
  }
  members.delete(process.pid);
  return entries.filter(({ pid }) => members.has(pid));
}

/**
 * Sessions that belong to the run: led by a process of it. A process that has only been forked is still in the launcher's
 * session, with the supervisors of all other runs.
 */
function sessionsOf(entries: readonly ProcessEntry[], members: ReadonlySet<number>): Set<number> {
  const strangers = new Set(entries.filter(({ pid }) => !members.has(pid)).map(({ pid }) => pid));
  return new Set(
    entries
      .filter(({ pid, session }) => members.has(pid) && session !== 0 && !strangers.has(session))
      .map(({ session }) => session),
  );
}

async function hasMark(pid: number, directory: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`).catch(() => undefined);
  if (environment === undefined) return false;
  // Compared as a whole variable: another run's directory may begin with this one's name.
  const mark = Buffer.from(`\0${runMarker}=${directory}\0`);
  return Buffer.concat([Buffer.from("\0"), environment, Buffer.from("\0")]).includes(mark);
}

async function holds(pid: number, pipe: string | undefined): Promise<boolean> {
  if (pipe === undefined) return false;
  return (await readlink(`/proc/${pid}/fd/${pipeDescriptor}`).catch(() => undefined)) === pipe;
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
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    pid,
    state: fields[0]!,
    parent: Number(fields[1]),
    session: Number(fields[3]),
    startTime: fields[22 - 3]!,
  };
}

/** Never to a process that only has the same pid. */
function send({ pid, startTime }: ProcessEntry, signal: NodeJS.Signals): void {
  if (processStartTime(pid) !== startTime) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in between.
  }
}
