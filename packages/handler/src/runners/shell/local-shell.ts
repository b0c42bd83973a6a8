import { execFile } from "node:child_process";
import {
  UnreachableError,
  type CommandOptions,
  type CommandResult,
  type CommandShell,
} from "./command-shell.ts";

/** What a command may print, bytes: 100,000 jobs of squeue and more. */
const mostOutput = 64 * 1024 * 1024;

/** Runs commands on this machine. */
export class LocalShell implements CommandShell {
  readonly where = "";
  readonly #environment: Readonly<Record<string, string>>;

  /** @param environment the whole environment of the commands */
  constructor(environment: Readonly<Record<string, string>>) {
    this.#environment = environment;
  }

  run(command: readonly string[], options: CommandOptions): Promise<CommandResult> {
    return runProgram(command, this.#environment, options);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** @throws UnreachableError when there is no such program, or no process to be had */
export function runProgram(
  [program, ...argv]: readonly string[],
  environment: Readonly<Record<string, string>>,
  { timeout, signal, input }: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const options = {
      env: environment,
      timeout,
      killSignal: "SIGKILL",
      maxBuffer: mostOutput,
      cwd: "/",
      ...(signal === undefined ? {} : { signal }),
    } as const;
    const child = execFile(program!, argv, options, (error, stdout, stderr) => {
      const failure = error as (Error & { code?: string | number | null; syscall?: string }) | null;
      if (failure?.syscall?.startsWith("spawn") === true) {
        const missing = failure.code === "ENOENT";
        const message = missing ? `the program ${program} is not there` : failure.message;
        reject(new UnreachableError(message, !missing));
      } else {
        const code = failure === null ? 0 : typeof failure.code === "number" ? failure.code : null;
        resolve({ code, stdout, stderr });
      }
    });
    // A command that ended without reading says so by its status.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}
