import { lstat, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JobRow } from "@galaxy-jobs/shared-db";
import type { Tool } from "@galaxy-jobs/tools";
import type { HandlerContext } from "../handler-context.ts";
import { jobFiles } from "../job-directory.ts";
import { overOutputSize, overWalltime, walltimeOf, type Walltime } from "../limits/run-limits.ts";
import { runnerStates, type PreparedRun, type RunEnd } from "../runners/runner.ts";
import type { RunUnderWay } from "./await-begin.ts";
import { runnerOf } from "./runner-of.ts";

/** Files whose size is looked at in one pass; with more runs than that, each has its turn in a later one. */
const filesInOnePass = 300;
/** Runs that are ended in one pass. */
const endsInOnePass = 16;
/** After a run that could not be ended, ms. */
const retryInterval = 30_000;

interface WatchedRun {
  readonly job: JobRow;
  readonly run: PreparedRun;
  readonly walltime: Walltime | undefined;
  /** By `performance.now()`. */
  startedAt: number;
  /** Never, while it waits in a cluster's queue. */
  overAt: number;
  readonly files: readonly string[];
  /** Set once it was decided that the run must end. */
  end: RunEnd | undefined;
  /** Resolves when all processes of the run are gone, or could not be ended. */
  gone: Promise<void> | undefined;
  notBefore: number;
}

/**
 * Looks at all running jobs of a handler together: walltime and output size (galaxy.md 3.7). A run that is over a limit is ended
 * with all its processes, and its end says why. The clock of a run is the database's time of its start, so a restart of the
 * handler does not set it back; in between this process's own steady clock counts.
 *
 * Output size means the largest of: the tool's two streams, and the files it declares as outputs (`from_work_dir`). Links are
 * not followed: a link to an input is not an output that grew.
 */
export class RunMonitor {
  readonly #context: HandlerContext;
  /** In the order in which their sizes are looked at next. */
  readonly #runs = new Map<number, WatchedRun>();

  constructor(context: HandlerContext) {
    this.#context = context;
  }

  /**
   * Watches a run until it ends.
   * @param job its row; one that was adopted has the time of its start, and `updateTime` is when it was adopted
   * @returns its end; when this or an earlier process ended it over a limit, that
   */
  async watch(
    job: JobRow,
    run: PreparedRun,
    tool: Tool | undefined,
    { ended, begun }: RunUnderWay,
  ): Promise<RunEnd> {
    const { limits } = this.#context.config.jobs;
    const walltime = walltimeOf(limits, run.destination);
    const adopted = job.startTime !== null;
    if (walltime === undefined && limits.outputSize === undefined && !adopted) return ended;
    // Both times are the database's.
    const ran = adopted ? job.updateTime.getTime() - job.startTime.getTime() : 0;
    const startedAt = performance.now() - ran;
    const watched: WatchedRun = {
      job,
      run,
      walltime,
      startedAt,
      overAt: Number.POSITIVE_INFINITY,
      files: limits.outputSize === undefined ? [] : watchedFiles(run, tool),
      end: undefined,
      gone: undefined,
      notBefore: 0,
    };
    this.#runs.set(job.id, watched);
    if (begun === undefined) startClock(watched, startedAt);
    else void begun.then(() => startClock(watched, performance.now()));
    try {
      const end = await ended;
      // The tool may have ended before processes that it started.
      await watched.gone;
      return watched.end ?? (adopted ? await readLimitReached(run) : undefined) ?? end;
    } finally {
      if (this.#runs.get(job.id) === watched) this.#runs.delete(job.id);
    }
  }

  /** The run turned out to be somebody else's. */
  forget(jobId: number): void {
    this.#runs.delete(jobId);
  }

  /** One pass over all runs. Resolves when those it ended are gone. */
  async look(): Promise<void> {
    const now = performance.now();
    const over: WatchedRun[] = [];
    for (const watched of this.#runs.values()) {
      if (watched.overAt > now || watched.notBefore > now) continue;
      watched.end ??= overWalltime(watched.walltime!, (now - watched.startedAt) / 1000);
      over.push(watched);
      if (over.length >= endsInOnePass) break;
    }
    over.push(...(await this.#tooLarge(now)));
    const ends = over.slice(0, endsInOnePass).map((watched) => (watched.gone = this.#end(watched)));
    await Promise.all(ends);
  }

  async #tooLarge(now: number): Promise<WatchedRun[]> {
    const limit = this.#context.config.jobs.limits.outputSize;
    if (limit === undefined) return [];
    const turn = this.#nextTurn(now);
    const sizes = await Promise.all(turn.map(({ files }) => largest(files)));
    const over = turn.filter((_, index) => sizes[index]! > limit);
    for (const watched of over) watched.end ??= overOutputSize(limit);
    return over;
  }

  /** The runs whose files are looked at now; they go to the end of the line. */
  #nextTurn(now: number): WatchedRun[] {
    const turn: WatchedRun[] = [];
    let files = 0;
    for (const watched of this.#runs.values()) {
      if (files >= filesInOnePass) break;
      if (watched.notBefore > now) continue;
      files += watched.files.length;
      turn.push(watched);
    }
    for (const watched of turn) {
      this.#runs.delete(watched.job.id);
      this.#runs.set(watched.job.id, watched);
    }
    return turn;
  }

  /** The reason is written down first: a handler that dies here leaves it to its next start. */
  async #end(watched: WatchedRun): Promise<void> {
    const { job, run, end } = watched;
    watched.notBefore = performance.now() + retryInterval;
    this.#context.events.emit("over_limit", { job: job.id, fence: job.fence, info: end!.failure! });
    try {
      await writeFile(limitReachedFile(run), JSON.stringify(end));
      await runnerOf(this.#context, run.destination.runner).stop(run);
    } catch (error) {
      this.#context.events.emit("trouble", { at: "monitor", job: job.id, error });
    }
  }
}

function startClock(watched: WatchedRun, startedAt: number): void {
  watched.startedAt = startedAt;
  if (watched.walltime !== undefined) watched.overAt = startedAt + watched.walltime.seconds * 1000;
}

function watchedFiles(run: PreparedRun, tool: Tool | undefined): string[] {
  const { toolStdout, toolStderr, working } = jobFiles(run.directory, run.jobId);
  const declared = (tool?.outputs ?? []).flatMap(({ from_work_dir: path }) => path ?? []);
  return [toolStdout, toolStderr, ...declared.map((path) => join(working, path))];
}

async function largest(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(
    files.map(async (file) => {
      const found = await lstat(file).catch(() => undefined);
      return found?.isFile() === true ? found.size : 0;
    }),
  );
  return Math.max(0, ...sizes);
}

function limitReachedFile(run: PreparedRun): string {
  return join(run.directory, "limit_reached");
}

async function readLimitReached(run: PreparedRun): Promise<RunEnd | undefined> {
  try {
    const { failure, state } = JSON.parse(await readFile(limitReachedFile(run), "utf8")) as Partial<RunEnd>;
    const known = runnerStates.find((name) => name === state);
    if (typeof failure !== "string" || known === undefined) return undefined;
    return { exitCode: null, failure, state: known };
  } catch {
    return undefined;
  }
}
