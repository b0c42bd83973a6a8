/** One line of a job's job_messages (galaxy.md 4.9). */
export interface ExitMessage {
  readonly type: "exit_code";
  readonly desc: string;
  readonly exit_code: number;
  readonly code_desc: string;
  /** Galaxy's levels: 3 is fatal. */
  readonly error_level: number;
  readonly [key: string]: string | number;
}

/** How a run is judged by Galaxy's `detect_errors="exit_code"`, which user-defined tools have: any exit code but 0 is fatal. */
export function checkExit(run: {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}): {
  readonly state: "ok" | "error";
  readonly messages: readonly ExitMessage[];
} {
  const { exitCode } = run;
  if (exitCode === 0) return { state: "ok", messages: [] };
  const desc = `Fatal error: Exit code ${exitCode} ()`;
  return {
    state: "error",
    messages: [{ type: "exit_code", desc, exit_code: exitCode, code_desc: "", error_level: 3 }],
  };
}
