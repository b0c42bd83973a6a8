import { execFileSync } from "node:child_process";
import fs from "node:fs";

/** Which process, for good: a pid alone is given to somebody else after a while, and after a boot to anybody. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the kernel's words (Linux: clock ticks since boot). Only good for comparing. */
  readonly startTime: string;
  /** Which boot of the machine; empty where the system does not say. */
  readonly bootId: string;
}

/** Identity of this process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTime: processStartTime(process.pid) ?? "", bootId: bootId() };
}

/** True while exactly this process lives; a zombie does not. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false;
  return processStartTime(identity.pid) === identity.startTime;
}

/** When the process started; undefined if there is no such process, or only its zombie. */
export function processStartTime(pid: number): string | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  if (process.platform !== "linux") return ps(pid, "lstart=");
  const stat = readProc(pid, "stat");
  if (stat === undefined) return undefined;
  // The second field is the name of the program, in parentheses, and may hold blanks and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, startTime] = [fields[0], fields[22 - 3]];
  return state === "Z" || state === "X" ? undefined : startTime;
}

/** Its arguments; empty for a zombie, undefined if there is no such process or it may not be seen. */
export function processArguments(pid: number): string[] | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  if (process.platform !== "linux") return ps(pid, "command=")?.split(" ");
  return readProc(pid, "cmdline")?.split("\0").slice(0, -1);
}

/** Changes with each boot. */
export function bootId(): string {
  try {
    return fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

function readProc(pid: number, name: string): string | undefined {
  try {
    return fs.readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return undefined;
  }
}

function ps(pid: number, column: string): string | undefined {
  try {
    const output = execFileSync("ps", ["-o", column, "-p", String(pid)], {
      encoding: "utf8",
      timeout: 5000,
      stdio: "pipe",
    });
    return output.trim() || undefined;
  } catch {
    return undefined;
  }
}
