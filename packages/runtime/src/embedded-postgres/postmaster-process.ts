import { execFile } from "node:child_process";
import { readFile, readdir, readlink } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Whether there is a process with this id, whoever's it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Whether the process is the postmaster of this data folder. A zombie is not: its command line is empty. */
export async function isPostmaster(pid: number, data: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const args = await commandLine(pid);
  if (args.includes(data)) return true;
  // The folder may have been renamed under the running server, whose working folder it is.
  const isServer = path.basename(args[0] ?? "").startsWith("postgres");
  return isServer && (await workingFolder(pid)) === data;
}

/** Server processes of this data folder that outlived their postmaster: what they run may still write to it. Linux only. */
export async function leftoverBackends(data: string): Promise<number[]> {
  if (process.platform !== "linux") return [];
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found: number[] = [];
  for (const pid of pids) {
    if ((await workingFolder(pid)) !== data) continue;
    if ((await commandLine(pid))[0]?.startsWith("postgres:") === true) found.push(pid);
  }
  return found;
}

async function commandLine(pid: number): Promise<string[]> {
  try {
    if (process.platform === "linux") return (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    const { stdout } = await run("ps", ["-o", "command=", "-ww", "-p", String(pid)], { timeout: 10_000 });
    return [stdout.trim(), ...stdout.trim().split(/ -D | -c /)];
  } catch {
    return [];
  }
}

async function workingFolder(pid: number): Promise<string | undefined> {
  return await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
}
