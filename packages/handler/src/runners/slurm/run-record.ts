import { execFile } from "node:child_process";
import { link, open, readFile, rename, rm, stat, unlink, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { jobFiles } from "../../job-directory.ts";
import type { PreparedRun, RunEnd } from "../runner.ts";

const execute = promisify(execFile);

/** What stands in `submission` when a run was closed before anybody submitted it. */
const closed = "closed";
/** Of the streams that Slurm may have written to, bytes. */
const tailSize = 2048;
/** A job's stderr is only cleaned up to this size, bytes (galaxy.md 4.18). */
const mostCleaned = 16 * 1024 * 1024;

/** How the job script ended, in the words of the batch script. */
export interface ScriptEnd {
  readonly jobId: string;
  readonly kind: "exited" | "signalled";
  readonly status: number;
  /** How often Slurm had started the job again by then. */
  readonly restart: number;
  /** Slurm was ending the job. */
  readonly terminated: boolean;
}

/**
 * Says that this process, and nobody else, submits the run.
 * @throws Error when it was submitted or closed before
 */
export async function claimSubmission(run: PreparedRun): Promise<void> {
  // Whoever finds it half written knows all the same that the run is not closed.
  if (await madeFirst(path(run, "submission"), `submitted by process ${process.pid}\n`)) return;
  throw new Error(`the run of job ${run.jobId} was started before`);
}

/** Closes a run that nobody has submitted, for good. @returns whether it is closed */
export async function closeIfNotSubmitted(run: PreparedRun): Promise<boolean> {
  if (await createExclusively(path(run, "submission"), `${closed}\n`)) return true;
  return (await read(run, "submission"))?.trim() === closed;
}

/** Keeps the Slurm job of a run, so that any later process finds it. */
export async function noteJobId(run: PreparedRun, jobId: string): Promise<void> {
  // One that is half written has no line's end, and is none to its reader.
  await writeFile(path(run, "slurm_job"), `${jobId}\n`);
}

export async function notedJobId(run: PreparedRun): Promise<string | undefined> {
  return /^(\d+)\n/.exec((await read(run, "slurm_job")) ?? "")?.[1];
}

/** What stands in `begun.0` when somebody cancelled the run before it began. */
const neverBegun = "cancelled -";

/**
 * A run that has not begun cannot begin any more, also when Slurm gets its job later; one that has begun is not started again.
 * @returns whether it had not begun
 */
export async function cancelBegin(run: PreparedRun): Promise<boolean> {
  await createExclusively(path(run, "cancelled"), "");
  if (await createExclusively(path(run, "begun.0"), `${neverBegun}\n`)) return true;
  const begun = await read(run, "begun.0");
  // Its directory may be gone, and then nothing can begin there either.
  return begun === undefined || begun.trim() === neverBegun;
}

export async function wasCancelled(run: PreparedRun): Promise<boolean> {
  return (await read(run, "cancelled")) !== undefined;
}

/** The Slurm job that made the run begin; undefined when none did, or its begin was cancelled. */
export async function begunBy(run: PreparedRun): Promise<string | undefined> {
  return /^(\d+) /.exec((await read(run, "begun.0")) ?? "")?.[1];
}

export async function scriptEnd(run: PreparedRun): Promise<ScriptEnd | undefined> {
  const match = /^(\d+) (exited|signalled) (\d+)(?: (\d+)( terminated)?)?\n/.exec(
    (await read(run, "ended")) ?? "",
  );
  if (match === null) return undefined;
  return {
    jobId: match[1]!,
    kind: match[2] as ScriptEnd["kind"],
    status: Number(match[3]),
    restart: Number(match[4] ?? 0),
    terminated: match[5] !== undefined,
  };
}

/**
 * Slurm shows a run that had begun as waiting. Where it starts it again, what the run left is not its end; but a controller that
 * lost its latest state shows that too. A run that ended well keeps its record, since the batch script does not run it again.
 * @param restarts how often Slurm has started the job again; undefined: no answer
 * @returns whether that is settled
 */
export async function setAsideEnd(
  run: PreparedRun,
  restarts: () => Promise<number | undefined>,
): Promise<boolean> {
  const end = await scriptEnd(run);
  if (end === undefined || (end.kind === "exited" && end.status === 0 && !end.terminated)) return true;
  const count = await restarts();
  if (count === undefined || count <= end.restart) return count !== undefined;
  await rename(path(run, "ended"), path(run, `ended.${end.restart}`));
  await rm(jobFiles(run.directory, run.jobId).exitCode, { force: true });
  return true;
}

/** The tool's own status, where the script came as far as to write it (galaxy.md 4.8). */
export async function writtenExitCode(run: PreparedRun): Promise<number | undefined> {
  const text = await readFile(jobFiles(run.directory, run.jobId).exitCode, "utf8").catch(() => "");
  return /^\d+\n/.test(text) ? Number.parseInt(text, 10) : undefined;
}

/** The end of a run by its own records; undefined when it left none. */
export async function recordedEnd(run: PreparedRun): Promise<RunEnd | undefined> {
  const exitCode = await writtenExitCode(run);
  if (exitCode !== undefined) return { exitCode, failure: null };
  const end = await scriptEnd(run);
  if (end === undefined) return undefined;
  const signal = signalOf(end);
  if (signal === undefined) return { exitCode: end.status, failure: null };
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  const failure = `The job's script was killed by signal ${signal}${name === undefined ? "" : ` (${name})`}.`;
  return { exitCode: null, failure, state: "unknown_error" };
}

/**
 * The shell says nothing of a death by SIGINT or SIGPIPE. Without an exit code file the script did not come to its end, and
 * these two statuses can only mean the signal.
 */
function signalOf({ kind, status }: ScriptEnd): number | undefined {
  const silent = [constants.signals.SIGINT, constants.signals.SIGPIPE].includes(status - 128);
  return kind === "signalled" || silent ? status - 128 : undefined;
}

/**
 * Whether a process of the run holds its lock. False also where the file system has no locks: nothing may rest on it alone.
 * flock(1) is the only way to ask from Node without a native module.
 */
export async function isAlive(run: PreparedRun): Promise<boolean> {
  if ((await read(run, "alive")) === undefined) return false;
  try {
    const argv = ["--exclusive", "--nonblock", "--conflict-exit-code", "75", path(run, "alive"), "true"];
    await execute("flock", argv, { timeout: 10_000 });
    return false;
  } catch (error) {
    return (error as { code?: unknown }).code === 75;
  }
}

/** The last words in the streams that Slurm writes to. */
export async function lastWords(run: PreparedRun): Promise<string> {
  const { jobStdout, jobStderr } = jobFiles(run.directory, run.jobId);
  return `${await tail(jobStdout)}\n${await tail(jobStderr)}`;
}

/** Lines that Slurm adds to the stderr of jobs that did well (galaxy.md 4.18). */
const warnings =
  /^slurmstepd(-[\w.-]+)?: error: (Exceeded (step|job) memory limit at some point|Detected \d+ oom[-_]kill event\(s\)|.*cgroup).*\n?/gim;

/** Takes Slurm's own warnings out of the stderr of a job that did well. */
export async function cleanStderr(run: PreparedRun): Promise<void> {
  const { jobStderr } = jobFiles(run.directory, run.jobId);
  const found = await stat(jobStderr).catch(() => undefined);
  if (found === undefined || found.size === 0 || found.size > mostCleaned) return;
  const text = await readFile(jobStderr, "latin1");
  const cleaned = text.replace(warnings, "");
  if (cleaned === text) return;
  await writeFile(`${jobStderr}.new`, cleaned, "latin1");
  await rename(`${jobStderr}.new`, jobStderr);
}

async function tail(file: string): Promise<string> {
  const handle = await open(file, "r").catch(() => undefined);
  if (handle === undefined) return "";
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read({
      buffer: Buffer.alloc(tailSize),
      position: Math.max(0, size - tailSize),
    });
    return buffer.toString("latin1", 0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** @returns whether this call made the file; a directory that is gone counts as somebody else's */
async function madeFirst(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || code === "ENOENT") return false;
    throw error;
  }
}

/** The same, all of it or nothing. */
async function createExclusively(file: string, text: string): Promise<boolean> {
  try {
    // Written beside and linked, so that nobody reads half of it; a link is exclusive on every file system, NFS too.
    const draft = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
    await writeFile(draft, text, { flag: "wx" });
    try {
      await link(draft, file);
      return true;
    } finally {
      await unlink(draft);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || code === "ENOENT") return false;
    throw error;
  }
}

async function read(run: PreparedRun, name: string): Promise<string | undefined> {
  try {
    return await readFile(path(run, name), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function path(run: PreparedRun, name: string): string {
  return join(run.directory, name);
}
