import { readSlurmSettings, type SlurmSettings } from "@galaxy-jobs/runtime";
import { jobFiles } from "../../job-directory.ts";
import { shell } from "../../job-script.ts";
import type { PreparedRun } from "../runner.ts";
import { batchScript } from "./batch-script.ts";

/** @throws Error that names the destination and each of its parameters that is wrong */
export function settingsOf({ destination }: PreparedRun): SlurmSettings {
  const { settings, faults } = readSlurmSettings(destination.params);
  if (faults.length === 0) return settings;
  const told = faults.map(
    ({ key, message, remedy }) => `${key}: ${message}${remedy === undefined ? "" : ` (${remedy})`}`,
  );
  throw new Error(`destination ${destination.id}: ${told.join("; ")}`);
}

/** As Galaxy names its jobs (galaxy.md 4.7): `g<id>_<tool>`. */
export function jobName({ jobId, toolId = "" }: PreparedRun): string {
  // Of a tool from a tool shed, whose id is a path: its name there.
  const parts = toolId.split("/");
  const short = parts.length >= 5 ? parts.at(-2)! : parts.at(-1)!;
  return `g${jobId}_${short.replaceAll(/\W/g, "_")}`.slice(0, 200);
}

/** What tells a run's job from all others of a cluster: the directory is the run's own, whatever else uses the cluster. */
export function jobComment({ jobId, runFence, directory }: PreparedRun): string {
  return `galaxy-jobs job=${jobId} fence=${runFence} ${directory}`;
}

/** The arguments of sbatch. Those that the handler rests on come last, where they win. */
export function sbatchArguments(run: PreparedRun, { options }: SlurmSettings): string[] {
  const files = jobFiles(run.directory, run.jobId);
  return [
    // Slurm must not start a job again by itself, unless the destination says so: the rules for resubmission decide.
    "--no-requeue",
    ...options.map(({ name, value }) => `--${name}${value === undefined ? "" : `=${value}`}`),
    `--job-name=${jobName(run)}`,
    `--comment=${jobComment(run)}`,
    `--chdir=${run.directory}`,
    `--output=${asPattern(files.jobStdout)}`,
    `--error=${asPattern(files.jobStderr)}`,
    "--input=/dev/null",
  ];
}

/** What sbatch reads. */
export function sbatchInput(run: PreparedRun, { options }: SlurmSettings): string {
  // The last of the options that say so counts.
  const last = options.findLast(({ name }) => name === "requeue" || name === "no-requeue");
  return batchScript(run, { shell: run.destination.shell ?? shell, requeue: last?.name === "requeue" });
}

/** A name of a stream's file is a pattern to Slurm. */
function asPattern(file: string): string {
  return file.replaceAll("%", "%%");
}
