import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { goOn, mustEnd } from "./clean-up.ts";

const packages = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "packages");

const programs = {
  web: join(packages, "web", "bin", "galaxy-web.js"),
  handler: join(packages, "handler", "bin", "galaxy-handler.js"),
};

/** A program of ours that runs, and what it has written. */
export interface Running {
  readonly pid: number;
  readonly lines: readonly string[];
  /** @returns undefined if no line matches in time, ms */
  line(pattern: RegExp, deadline: number): Promise<RegExpExecArray | undefined>;
  end(): Promise<void>;
}

/** Starts a program of this release. */
export function start(program: keyof typeof programs, args: readonly string[]): Running {
  goOn();
  const child: ChildProcess = spawn(process.execPath, [programs[program], ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    // Ctrl-C is for the bench, which ends it.
    detached: true,
  });
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  const look = () => {
    for (const watcher of watchers) watcher();
  };
  for (const stream of [child.stdout!, child.stderr!])
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      look();
    });
  const ended = once(child, "close").then(look);
  const end = mustEnd(async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
    await ended;
    clearTimeout(timer);
  });
  return {
    pid: child.pid!,
    lines,
    line: (pattern, deadline) =>
      new Promise((resolve) => {
        const settle = (match: RegExpExecArray | undefined) => {
          clearTimeout(timer);
          watchers.delete(watcher);
          resolve(match);
        };
        const watcher = () => {
          for (const line of lines) {
            const match = pattern.exec(line);
            if (match !== null) return settle(match);
          }
          if (child.exitCode !== null || child.signalCode !== null) settle(undefined);
        };
        const timer = setTimeout(() => settle(undefined), deadline);
        watchers.add(watcher);
        watcher();
      }),
    end,
  };
}
