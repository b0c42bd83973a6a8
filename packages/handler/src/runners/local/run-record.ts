import { existsSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { jobFiles } from "../../job-directory.ts";
import type { PreparedRun, RunEnd } from "../runner.ts";

/** What a supervisor wrote of itself and of the job's end; see launcher-script.ts. */
export interface RunRecord {
  readonly supervisor?: {
    readonly pid: number;
    /** Clock ticks since boot, field 22 of /proc/pid/stat. */
    readonly startTime: string;
    readonly bootId: string;
    readonly host: string;
    /** Seconds since boot. */
    readonly began: number;
    /** Folders of the run's cgroups. */
    readonly groups: readonly string[];
    /** Where the end is announced. */
    readonly ends: string;
  };
  readonly end?: {
    readonly kind: "exited" | "signalled" | "refused";
    readonly status: number;
    /** What the supervisor says, where it refused. */
    readonly text: string;
    readonly wallSeconds: number;
    readonly userSeconds: number;
    readonly systemSeconds: number;
  };
}

/** The files by which a run of this runner is known. */
export function runFiles(directory: string) {
  return {
    record: join(directory, "record"),
    alive: join(directory, "alive"),
    started: join(directory, "started"),
  } as const;
}

/** Holds two paths of cgroups, one of a folder, and the rest of a record. */
const recordSize = 16_384;

/**
 * Makes the record and reserves its bytes, so that a full disk cannot keep the end from being written.
 * @throws EEXIST when the directory had a run before; ENOSPC
 */
export async function reserveRecord(directory: string): Promise<void> {
  const file = await open(runFiles(directory).record, "wx", 0o644);
  try {
    await file.writeFile(" ".repeat(recordSize));
  } finally {
    await file.close();
  }
}

/** @returns undefined when the run has no record: none was begun, or by the last release */
export async function readRecord(directory: string): Promise<RunRecord | undefined> {
  const text = await readFile(runFiles(directory).record, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const lines = text.split("\n");
  const supervised = lines[0]!.startsWith("supervised ") ? lines.splice(0, 2) : undefined;
  const supervisor = supervised === undefined ? undefined : readSupervisor(supervised);
  const end = readEnd(lines, supervisor?.began ?? 0);
  return { ...(supervisor && { supervisor }), ...(end && { end }) };
}

/** The end of a run by its record: the exit code that the tool left, or what became of the script. */
export async function endOf(run: PreparedRun, end: NonNullable<RunRecord["end"]>): Promise<RunEnd> {
  const usage = {
    wallSeconds: end.wallSeconds,
    userSeconds: end.userSeconds,
    systemSeconds: end.systemSeconds,
  };
  if (end.kind === "refused") {
    const reason = (await readFile(join(run.directory, "supervisor.log"), "utf8").catch(() => "")).trim();
    return { exitCode: null, failure: `The job could not be started: ${reason || end.text}`, usage };
  }
  const exitCode = await writtenExitCode(run);
  if (exitCode !== undefined) return { exitCode, failure: null, usage };
  const signal = signalOf(end);
  if (signal === undefined) return { exitCode: end.status, failure: null, usage };
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  const failure = `The job's script was killed by signal ${signal}${name === undefined ? "" : ` (${name})`}.`;
  return { exitCode: null, failure, state: "unknown_error", signal, usage };
}

/** The tool's own status, where the script came as far as to write it (galaxy.md 4.8). */
export async function writtenExitCode(run: PreparedRun): Promise<number | undefined> {
  const text = await readFile(jobFiles(run.directory, run.jobId).exitCode, "utf8").catch(() => "");
  return /^\d+\n/.test(text) ? Number.parseInt(text, 10) : undefined;
}

/** Whether a supervisor began with the run, or somebody closed it. */
export function isBegun(directory: string): boolean {
  return existsSync(runFiles(directory).started);
}

function readSupervisor([identity, places]: string[]): RunRecord["supervisor"] {
  const [, pid, startTime, bootId, began, ...host] = identity!.split(" ");
  const [groups, ends] = (places ?? "").replace(/^places /, "").split("\t");
  if (ends === undefined) return undefined;
  return {
    pid: Number(pid),
    startTime: startTime!,
    bootId: bootId!,
    host: host.join(" "),
    began: Number(began),
    groups: groups === "-" || groups === undefined ? [] : groups.split(":"),
    ends,
  };
}

function readEnd(lines: readonly string[], began: number): RunRecord["end"] {
  const last = lines.indexOf("end");
  if (last < 0) return undefined;
  const [kind, status, ended] = lines[0]!.split(" ");
  const [userSeconds, systemSeconds] = (lines[last - 1] ?? "").split(" ").map(secondsOf);
  return {
    kind: kind as "exited" | "signalled" | "refused",
    status: Number(status),
    text: lines[0]!,
    wallSeconds: Math.max(0, Number(ended) - began) || 0,
    userSeconds: userSeconds || 0,
    systemSeconds: systemSeconds || 0,
  };
}

/** Of `1m2.345s`, as the shell's `times` writes it. */
function secondsOf(text: string): number {
  const [, minutes, seconds] = /^(\d+)m([\d.,]+)s$/.exec(text) ?? [];
  return Number(minutes) * 60 + Number(seconds?.replace(",", "."));
}

/**
 * The shell says nothing of a death by SIGINT or SIGPIPE. Without an exit code file the script did not come to its end, and
 * these two statuses can only mean the signal.
 */
function signalOf({ kind, status }: NonNullable<RunRecord["end"]>): number | undefined {
  const silent = [constants.signals.SIGINT, constants.signals.SIGPIPE].includes(status - 128);
  return kind === "signalled" || silent ? status - 128 : undefined;
}
