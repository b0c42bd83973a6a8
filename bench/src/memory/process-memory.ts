import { readFile } from "node:fs/promises";

/** Of one process, in MB of 2^20 bytes, as top counts. */
export interface ProcessMemory {
  /** What it has in memory, shared pages included. */
  readonly rss: number;
  /** The same, with shared pages divided by those who share them. */
  readonly pss: number;
  /** The most that it ever had. */
  readonly peak: number;
}

export async function memoryOf(pid: number): Promise<ProcessMemory> {
  const [rollup, status] = await Promise.all([
    readFile(`/proc/${pid}/smaps_rollup`, "utf8"),
    readFile(`/proc/${pid}/status`, "utf8"),
  ]);
  return { rss: read(rollup, "Rss"), pss: read(rollup, "Pss"), peak: read(status, "VmHWM") };
}

/** CPU time that a process has used, user and system, s. */
export async function cpuOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Fields 14 and 15 of the file, in ticks of 10 ms on every Linux that Node runs on.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function read(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)![1]) / 1024;
}
