import { setTimeout as sleep } from "node:timers/promises";
import { PidFile } from "./pid-file.ts";
import { isAlive } from "./process-identity.ts";

/**
 * Asks the daemon that holds the pid file to stop, and waits until it has.
 *
 * @param patience ms
 * @returns the exit code for this process (0 too when there was nothing to stop), and what there is to tell
 */
export async function stopDaemon(
  pidFile: string,
  patience: number,
): Promise<{ exitCode: number; text: string }> {
  const holder = PidFile.holder(pidFile);
  if (holder === undefined) return { exitCode: 0, text: `not running (no living process in ${pidFile})` };
  try {
    process.kill(holder.pid, "SIGTERM");
  } catch (error) {
    if (isAlive(holder)) return { exitCode: 1, text: `cannot stop pid ${holder.pid}: ${String(error)}` };
  }
  const end = performance.now() + patience;
  while (isAlive(holder)) {
    if (performance.now() > end) {
      return { exitCode: 1, text: `pid ${holder.pid} still runs after ${Math.round(patience / 1000)} s` };
    }
    await sleep(20);
  }
  return { exitCode: 0, text: `stopped (pid ${holder.pid})` };
}
