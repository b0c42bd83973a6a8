import { join } from "node:path";

/**
 * The run directory of one attempt: `<job_working_directory>/<000>/<id>.<fence>`, grouped by thousands as Galaxy's
 * (galaxy.md 4.7). The fence in its name keeps a later attempt out of an earlier one's files.
 */
export function jobDirectory(root: string, jobId: number, runFence: number): string {
  const digits = String(Math.floor(jobId / 1000)).padStart(3, "0");
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/.{3}/g) ?? [];
  return join(root, ...groups, `${jobId}.${runFence}`);
}

/** The files of a run directory, by their names in Galaxy's layout (galaxy.md 4.7). */
export function jobFiles(directory: string, jobId: number) {
  return {
    working: join(directory, "working"),
    outputs: join(directory, "outputs"),
    configs: join(directory, "configs"),
    home: join(directory, "home"),
    tmp: join(directory, "tmp"),
    toolScript: join(directory, "tool_script.sh"),
    jobScript: join(directory, `galaxy_${jobId}.sh`),
    jobStdout: join(directory, `galaxy_${jobId}.o`),
    jobStderr: join(directory, `galaxy_${jobId}.e`),
    exitCode: join(directory, `galaxy_${jobId}.ec`),
    toolStdout: streamFile(directory, "stdout"),
    toolStderr: streamFile(directory, "stderr"),
  } as const;
}

export type JobFiles = ReturnType<typeof jobFiles>;

/** The tool's own stream, which grows while the job runs. */
export function streamFile(directory: string, stream: "stdout" | "stderr"): string {
  return join(directory, "outputs", `tool_${stream}`);
}
