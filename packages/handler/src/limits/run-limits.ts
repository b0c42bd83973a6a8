import { readDestinationSettings, type Destination, type JobLimits } from "@galaxy-jobs/runtime";
import type { RunEnd, RunnerState } from "../runners/runner.ts";

/** How long a run may take, and what its being over means. */
export interface Walltime {
  readonly seconds: number;
  readonly state: RunnerState & ("walltime_reached" | "global_walltime_reached");
}

/**
 * The walltime of a run: that of its destination (parameter `walltime`, ours), or else the limit of job_conf. As in Galaxy the
 * limit of job_conf holds wherever a job runs, so a resubmission would not help (galaxy.md 3.8); that of a destination is what a
 * rule can send a job away from.
 */
export function walltimeOf(limits: JobLimits, destination: Destination): Walltime | undefined {
  const own = readDestinationSettings(destination.params).settings.walltime;
  if (own !== undefined) return { seconds: own, state: "walltime_reached" };
  if (limits.walltime === undefined) return undefined;
  return { seconds: limits.walltime, state: "global_walltime_reached" };
}

/** @param ran seconds */
export function overWalltime({ seconds, state }: Walltime, ran: number): RunEnd {
  const failure =
    `Job ran longer than the maximum allowed execution time (runtime: ${clockTime(ran)}, limit: ${clockTime(seconds)}), ` +
    `please try different inputs or parameters`;
  return { exitCode: null, failure, state };
}

/** @param limit bytes */
export function overOutputSize(limit: number): RunEnd {
  const failure = `Job output file grew too large (greater than ${sizeInWords(limit)}), please try different inputs or parameters`;
  return { exitCode: null, failure, state: "output_size_limit" };
}

/** Seconds as HH:MM:SS. */
export function clockTime(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

function sizeInWords(bytes: number): string {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  const unit = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return `${Number((bytes / 1024 ** unit).toFixed(1))} ${units[unit]}`;
}
