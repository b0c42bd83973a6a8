import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { ServerUser } from "./server-user.ts";

const LONGEST_RUN = 120_000;

export interface ProgramOptions {
  readonly user: ServerUser | undefined;
  readonly signal: AbortSignal;
  readonly input?: string;
}

/** The environment of the server and its programs: nothing of ours that changes what they do (PGDATA, LC_ALL, …). */
export function serverEnvironment(): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
}

/** Runs initdb or the like to its end; resolves to what it wrote, rejects with that in the message if it failed. */
export async function runServerProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<string> {
  const child = spawn(program, args, {
    ...options.user,
    cwd: "/",
    env: serverEnvironment(),
    timeout: LONGEST_RUN,
    signal: options.signal,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  // A program that ends before it reads says why by its exit, not by our broken pipe.
  child.stdin.on("error", () => undefined).end(options.input ?? "");
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  if (code === 0) return output;
  const end = signal ?? `exit code ${code}`;
  throw new Error(`${path.basename(program)} failed (${end}): ${output.trim()}`);
}
