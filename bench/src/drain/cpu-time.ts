import { readdirSync, readFileSync } from "node:fs";

/** Linux counts in ticks of so many ms. */
const tick = 10;

interface ProcessTime {
  readonly parent: number;
  /** User and system time so far, with that of children that have ended; ms. */
  readonly spent: number;
}

/** What a process and all its children have spent of a core so far, ms. */
export function cpuTimeOf(root: number): number {
  const processes = new Map<number, ProcessTime>();
  for (const name of readdirSync("/proc")) {
    const found = /^\d+$/.test(name) ? readTime(name) : undefined;
    if (found !== undefined) processes.set(Number(name), found);
  }
  const sum = (pid: number): number => {
    const children = [...processes].filter(([, { parent }]) => parent === pid);
    return (processes.get(pid)?.spent ?? 0) + children.reduce((all, [child]) => all + sum(child), 0);
  };
  return sum(root);
}

export function parentOf(pid: number): number {
  return readTime(String(pid))!.parent;
}

/** @returns undefined for a process that has ended meanwhile */
function readTime(pid: string): ProcessTime | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The name, in parentheses, may hold anything. Behind it: state, ppid, …, utime (12th), stime, cutime, cstime.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const spent = [11, 12, 13, 14].reduce((all, index) => all + Number(fields[index]), 0);
  return { parent: Number(fields[1]), spent: spent * tick };
}
