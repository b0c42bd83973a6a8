import { execFile, spawn } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { RunnerConfig } from "@galaxy-jobs/runtime";
import { jobFiles } from "../../job-directory.ts";
import { shell } from "../../job-script.ts";
import type { PreparedRun, RecoveredRun, RunEnd, Runner } from "../runner.ts";
import { endProcessTree, runMarker } from "./process-tree.ts";
import { supervisorScript } from "./supervisor-script.ts";

const execute = promisify(execFile);

/** What stands in `started` when a run was closed before it began. */
const abandoned = "abandoned";

const lostReason =
  "The job's processes disappeared without an exit status: they were killed from outside, or the machine was restarted.";

/**
 * Runs jobs as processes of this machine. Each has a supervisor of its own (see supervisor-script.ts) and so goes on when this
 * process ends; whoever comes next finds it by its run directory.
 */
export class LocalRunner implements Runner {
  readonly name: string;
  readonly slots: number;
  readonly #closing = new AbortController();

  constructor(name: string, config: RunnerConfig) {
    this.name = name;
    this.slots = config.workers;
  }

  start(run: PreparedRun): Promise<{ externalId: string; ended: Promise<RunEnd> }> {
    return new Promise((resolve, reject) => {
      const child = spawn(
        "/bin/sh",
        [
          "-c",
          supervisorScript,
          "galaxy-supervisor",
          run.directory,
          String(run.jobId),
          run.destination.shell ?? shell,
        ],
        {
          cwd: run.directory,
          env: jobEnvironment(run),
          detached: true,
          stdio: "ignore",
        },
      );
      child.once("error", (error) =>
        reject(new Error(`cannot start a process: ${error.message}`, { cause: error })),
      );
      child.once("spawn", () => {
        child.unref();
        const exited = new Promise<void>((done) => child.once("exit", () => done()));
        resolve({ externalId: String(child.pid), ended: exited.then(() => readEnd(run)) });
      });
    });
  }

  async recover(run: PreparedRun): Promise<RecoveredRun> {
    const recorded = await readRecordedEnd(run);
    if (recorded !== undefined) return { found: "ended", end: recorded };
    if (await isSupervised(run)) {
      const started = await readFile(join(run.directory, "started"), "utf8").catch(() => "");
      return { found: "running", externalId: started.split(" ")[0] ?? "", ended: this.#watch(run) };
    }
    // Nobody holds the lock, and from now on nobody can start here: what stands in `started` is final.
    const end = await readRecordedEnd(run);
    if (end !== undefined) return { found: "ended", end };
    const started = await readFile(join(run.directory, "started"), "utf8").catch(() => abandoned);
    return started.trim() === abandoned ? { found: "not-started" } : { found: "lost", reason: lostReason };
  }

  async stop(run: PreparedRun): Promise<void> {
    const gone = await endProcessTree(run.directory, { grace: 700, deadline: 10_000 });
    if (!gone) throw new Error(`some processes of job ${run.jobId} did not end after SIGKILL`);
  }

  close(): Promise<void> {
    this.#closing.abort();
    return Promise.resolve();
  }

  /** The end of a run that is not this process's child: looked for each half second, as long as its supervisor lives. */
  async #watch(run: PreparedRun): Promise<RunEnd> {
    for (;;) {
      const end = await readRecordedEnd(run);
      if (end !== undefined) return end;
      if (!(await isSupervised(run))) return readEnd(run);
      await sleep(500, undefined, { signal: this.#closing.signal });
    }
  }
}

async function readEnd(run: PreparedRun): Promise<RunEnd> {
  return (await readRecordedEnd(run)) ?? { exitCode: null, failure: lostReason };
}

async function readRecordedEnd(run: PreparedRun): Promise<RunEnd | undefined> {
  const status = await readFile(join(run.directory, "ended"), "utf8").catch(() => undefined);
  if (status === undefined) return undefined;
  // The tool's own status, where the script came as far as to write it.
  const written = await readFile(jobFiles(run.directory, run.jobId).exitCode, "utf8").catch(() => undefined);
  const exitCode = Number.parseInt(written ?? status, 10);
  return { exitCode: Number.isNaN(exitCode) ? null : exitCode, failure: null };
}

/**
 * Whether a supervisor holds its lock. If none does and none ever did, the run is closed for good while the lock is ours, so
 * that a supervisor that a dead handler had only just begun to start refuses. flock(1) is the only way to ask from Node
 * without a native module.
 */
async function isSupervised(run: PreparedRun): Promise<boolean> {
  if ((await stat(run.directory).catch(() => undefined)) === undefined) return false;
  const close = `[ -e started ] || echo ${abandoned} > started`;
  try {
    const flock = ["--nonblock", "--conflict-exit-code", "75", "supervisor.lock", "sh", "-c", close];
    await execute("flock", flock, { timeout: 10_000, cwd: run.directory });
    return false;
  } catch (error) {
    if ((error as { code?: unknown }).code === 75) return true;
    throw error;
  }
}

/** A job sees nothing of the handler's environment but where programs are and which language to speak. */
function jobEnvironment(run: PreparedRun): Record<string, string> {
  const passed = ["PATH", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME"];
  const environment = Object.fromEntries(
    passed.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]!]])),
  );
  return { PATH: "/usr/local/bin:/usr/bin:/bin", ...environment, [runMarker]: run.directory };
}
