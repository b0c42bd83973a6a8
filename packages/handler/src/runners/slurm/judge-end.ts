import type { PreparedRun, RunEnd, RunnerState } from "../runner.ts";
import { cleanStderr, lastWords, recordedEnd, scriptEnd, writtenExitCode } from "./run-record.ts";
import type { SlurmJob } from "./slurm-commands.ts";
import { baseState } from "./slurm-states.ts";

/** Galaxy's sentences (galaxy.md 4.18). */
const overTime = "This job was terminated because it ran longer than the maximum allowed job run time.";
const overMemory = "This job was terminated because it used more memory than it was allocated.";
const perhapsOverMemory =
  "This job was cancelled probably because it used more memory than it was allocated.";
const cancelled = "This job failed because it was cancelled by an administrator.";
const undetermined =
  "This job failed for reasons that could not be determined. Please click the bug icon to submit a report.";
const notReturned = "Job output not returned from cluster";

/** slurmstepd's words where it, not the kernel, ended a job over its memory (OverMemoryKill), and the kernel's where it did. */
const memoryExceeded = /exceeded (job|step) memory limit(?! at some point)|exceeded memory limit/i;
const memoryAtSomePoint = /memory limit at some point|oom[-_]kill event|out of memory/i;

/**
 * The end of a run, from what Slurm says of its job and what the run left (galaxy.md 4.18). The tool's own exit code counts
 * where Slurm did not end the job itself.
 * @returns undefined when the run should have left a record and it is not there (yet)
 */
export async function judgeEnd(run: PreparedRun, job: SlurmJob): Promise<RunEnd | undefined> {
  const state = baseState(job.state);
  switch (state) {
    case "COMPLETED":
      return recorded(run);
    case "TIMEOUT":
      return failed(run, "walltime_reached", overTime);
    case "OUT_OF_MEMORY":
      return failed(run, "memory_limit_reached", overMemory);
    case "CANCELLED":
      return judgeCancelled(run, job);
    case "FAILED":
      return judgeFailed(run, job);
    case "NODE_FAIL":
      return (
        (await recorded(run)) ??
        failed(run, "unknown_error", `The job's node failed${on(job)} (Slurm: NODE_FAIL).`)
      );
    case "BOOT_FAIL":
      return failed(
        run,
        "unknown_error",
        `The job's node could not be started${on(job)} (Slurm: BOOT_FAIL).`,
      );
    case "PREEMPTED":
      return failed(
        run,
        "unknown_error",
        "The job was preempted by one of a higher priority (Slurm: PREEMPTED).",
      );
    case "DEADLINE":
      return failed(run, "walltime_reached", "The job could not end before its deadline (Slurm: DEADLINE).");
    default:
      return (await recorded(run)) ?? failed(run, "unknown_error", `${undetermined} (Slurm: ${said(job)})`);
  }
}

/** A run whose end Slurm can no longer tell of, by its own record. */
export async function judgeForgotten(run: PreparedRun): Promise<RunEnd | undefined> {
  const end = await recorded(run);
  if (end?.exitCode === 0) return end;
  if (memoryExceeded.test(await lastWords(run))) return failed(run, "memory_limit_reached", overMemory);
  if ((await scriptEnd(run))?.terminated !== true) return end;
  return failed(run, "unknown_error", "Slurm ended the job, and no longer knows why.");
}

/** Slurm says that it ended well, or has forgotten it, and there is no record after a time of grace. */
export function notReturnedEnd(what: string): RunEnd {
  return {
    exitCode: null,
    failure: `${notReturned}: ${what}`,
    state: "job_output_not_returned_from_cluster",
  };
}

async function recorded(run: PreparedRun): Promise<RunEnd | undefined> {
  const end = await recordedEnd(run);
  if (end?.exitCode === 0) await cleanStderr(run);
  return end;
}

async function judgeFailed(run: PreparedRun, job: SlurmJob): Promise<RunEnd> {
  const end = await recordedEnd(run);
  if ((end === undefined || end.exitCode !== 0) && memoryExceeded.test(await lastWords(run)))
    return failed(run, "memory_limit_reached", overMemory);
  return end ?? failed(run, "unknown_error", `${undetermined} (Slurm: ${said(job)})`);
}

async function judgeCancelled(run: PreparedRun, job: SlurmJob): Promise<RunEnd> {
  const words = await lastWords(run);
  if (memoryExceeded.test(words)) return failed(run, "memory_limit_reached", overMemory);
  if (memoryAtSomePoint.test(words)) return failed(run, "memory_limit_reached", perhapsOverMemory);
  return failed(run, "unknown_error", cancelledWords(job));
}

function cancelledWords({ cancelledBy: by }: SlurmJob): string {
  if (by === undefined) return cancelled;
  if (by.isOwner)
    return `This job failed because it was cancelled in Slurm by the user that Galaxy's jobs run as (${by.name}).`;
  return `${cancelled.slice(0, -1)} (${by.name}).`;
}

async function failed(run: PreparedRun, state: RunnerState, failure: string): Promise<RunEnd> {
  return { exitCode: (await writtenExitCode(run)) ?? null, failure, state };
}

function said({ state, reason }: SlurmJob): string {
  return reason === "None" || reason === "" ? state : `${state}, ${reason}`;
}

function on({ nodes }: SlurmJob): string {
  return nodes === "" ? "" : ` (${nodes})`;
}
