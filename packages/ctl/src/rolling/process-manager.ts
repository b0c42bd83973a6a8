import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What runs the processes of an instance on this host. */
export interface ProcessManager {
  /** Where an administrator looks when a unit does not start. */
  logOf(unit: string): string;
  /** The unit of the web tier; undefined: it does not run here. */
  web(): Promise<string | undefined>;
  /** The units of the handlers that run here, in order. @throws Error for one that should run and does not */
  handlers(): Promise<readonly string[]>;
  /** Resolves when the manager counts it as started. @param patience ms */
  restart(unit: string, patience: number): Promise<void>;
  pid(unit: string): Promise<number>;
}

const execute = promisify(execFile);

/** @returns what the program wrote, and whether it failed. @throws Error when it is not there, or takes longer than `patience` ms */
export async function ask(
  program: string,
  words: readonly string[],
  patience = 30_000,
): Promise<{ readonly failed: boolean; readonly text: string }> {
  try {
    const { stdout, stderr } = await execute(program, words, { timeout: patience });
    return { failed: false, text: stdout + stderr };
  } catch (error) {
    const {
      code,
      killed,
      stdout = "",
      stderr = "",
    } = error as {
      code?: unknown;
      killed?: boolean;
      stdout?: string;
      stderr?: string;
    };
    if (code === "ENOENT") throw new Error(`there is no ${program} here`, { cause: error });
    if (killed === true)
      throw new Error(`${program} ${words.join(" ")} took longer than ${Math.round(patience / 1000)} s`, {
        cause: error,
      });
    return { failed: true, text: stdout + stderr };
  }
}

/** handler2 before handler10. */
export function inOrder(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}
