import { spawn } from "node:child_process";
import fs from "node:fs";

/** In the environment of the background process; gone before anything else can see it. */
const MARK = "GALAXY_JOBS_IN_BACKGROUND";

type Report = { readonly ready: true } | { readonly failed: string; readonly exitCode: number };

/** The background process's way to its parent, who waits until it hears how the start went. */
export interface Parent {
  ready(): void;
  failed(text: string, exitCode: number): void;
}

/** The parent, if this process was started by `startInBackground`. To be called once, at the start of the program. */
export function waitingParent(env: NodeJS.ProcessEnv): Parent | undefined {
  const marked = env[MARK] !== undefined;
  delete env[MARK];
  if (!marked || process.send === undefined) return undefined;
  process.channel?.unref();
  const report = (message: Report): void => {
    if (!process.connected) return;
    // The parent leaves as soon as it knows; it may also have been killed long ago.
    process.send?.(message, undefined, {}, () => {
      if (process.connected) process.disconnect();
    });
  };
  return {
    ready: () => report({ ready: true }),
    failed: (failed, exitCode) => report({ failed, exitCode }),
  };
}

/**
 * Starts this program again, in a session of its own, and waits until it is ready or has failed. A signal that would
 * stop this process meanwhile is passed on.
 *
 * @param log takes what the process writes outside of its log, e.g. the last words of a crash
 * @param late the log is opened by the background process, when it is ready; until then it writes where this one does
 * @returns the exit code for this process, and what there is to tell
 */
export async function startInBackground(
  log: string,
  late = false,
): Promise<{ exitCode: number; text: string }> {
  const output = late ? ("pipe" as const) : fs.openSync(log, "a", 0o640);
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    env: { ...process.env, [MARK]: "1" },
    stdio: ["ignore", output, output, "ipc"],
  });
  if (typeof output === "number") fs.closeSync(output);
  child.stderr?.pipe(process.stderr, { end: false });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, forward);
  try {
    return await new Promise((resolve) => {
      child.once("error", (error) =>
        resolve({ exitCode: 1, text: `cannot start in the background: ${error.message}` }),
      );
      child.once("message", (report: Report) => {
        if ("ready" in report)
          resolve({ exitCode: 0, text: `running in the background with pid ${child.pid}` });
        else resolve({ exitCode: report.exitCode, text: report.failed });
      });
      child.once("exit", (code, signal) =>
        // The report of a process that has just ended may still be on its way.
        setImmediate(() =>
          resolve({
            exitCode: code === null || code === 0 ? 1 : code,
            text: `ended (${signal ?? `exit code ${code}`}) before it was ready; see ${log}`,
          }),
        ),
      );
    });
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, forward);
    if (child.connected) child.disconnect();
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
  }
}
