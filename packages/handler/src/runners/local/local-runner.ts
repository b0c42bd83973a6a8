import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bootId, isAlive, type RunnerConfig } from "@galaxy-jobs/runtime";
import { shell } from "../../job-script.ts";
import type { PreparedRun, RecoveredRun, RunEnd, Runner } from "../runner.ts";
import { jobHoldsPipe, PipeStock, supervisorLives } from "./alive-pipe.ts";
import { membersOf, removeGroups, RunGroups, usageOf } from "./cgroups.ts";
import { abandoned, isEarlierFormat, lookAtEarlierRun } from "./earlier-format.ts";
import { EndWatch } from "./end-watch.ts";
import { Launcher } from "./launcher.ts";
import { endProcessTree, processesOf, type RunTree } from "./process-tree.ts";
import { endOf, isBegun, readRecord, reserveRecord, runFiles, writtenExitCode } from "./run-record.ts";

/** Processes that a job left behind have this long to end by themselves, ms; then they are ended. */
const settling = 2_000;
/** A supervisor that was forked has begun by then, ms. */
const longestBeginning = 30_000;
const killing = { grace: 700, deadline: 10_000 };

const killedReason =
  "The job's processes disappeared without an exit code: its script and the process that watched over it were killed from outside.";
const rebootReason = "The machine was restarted while the job ran.";

export interface LocalRunnerOptions {
  /** A folder of this runner's own, on the file system of the run directories; the same after a restart. */
  readonly folder: string;
  /** Told of trouble that concerns no caller. */
  readonly onTrouble: (error: unknown) => void;
}

/**
 * Runs jobs as processes of this machine. Each has a supervisor of its own (see launcher-script.ts) and so goes on when this
 * process ends; whoever comes next finds it by its run directory. docs/local-jobs.md tells an operator what lies there.
 */
export class LocalRunner implements Runner {
  readonly name: string;
  readonly slots: number;
  readonly #ends: string;
  readonly #pipes: PipeStock;
  readonly #groups: RunGroups;
  readonly #launcher: Launcher;
  readonly #watch: EndWatch;

  constructor(name: string, config: RunnerConfig, { folder, onTrouble }: LocalRunnerOptions) {
    this.name = name;
    this.slots = config.workers;
    this.#ends = join(folder, "ends");
    this.#pipes = new PipeStock(join(folder, "pipes"));
    this.#launcher = new Launcher(this.#ends, jobEnvironment());
    this.#watch = new EndWatch(onTrouble);
    const base = config.params["cgroup_parent"];
    this.#groups =
      String(config.params["cgroups"] ?? true) === "false"
        ? RunGroups.none()
        : RunGroups.probe(base === undefined ? undefined : String(base));
  }

  /** Of the launcher, once there is one. */
  get launcherPid(): number | undefined {
    return this.#launcher.pid;
  }

  async start(run: PreparedRun): Promise<{ externalId: string; ended: Promise<RunEnd> }> {
    try {
      await reserveRecord(run.directory);
    } catch (error) {
      throw startFailure(run, error);
    }
    return this.#startReserved(run).catch((error: unknown) => {
      throw startFailure(run, error);
    });
  }

  async recover(run: PreparedRun): Promise<RecoveredRun> {
    if (isEarlierFormat(run.directory)) return this.#recoverEarlier(run);
    const { alive, record } = runFiles(run.directory);
    const recorded = await this.#recordedEnd(run);
    if (recorded !== undefined) return { found: "ended", end: recorded };
    const notStarted = { found: "not-started", ...(existsSync(record) && { asked: true }) } as const;
    // A supervisor that lives in a closed run has only not refused yet.
    if (await isClosed(run)) return notStarted;
    // Unless a supervisor has begun meanwhile, from now on none can.
    if (!supervisorLives(alive) && (await closeRun(run))) return notStarted;
    const supervisor = (await readRecord(run.directory))?.supervisor;
    if (!supervisorLives(alive)) {
      const end = await this.#endWithoutSupervisor(run);
      if (end !== undefined) return found(end);
    }
    const { ended } = await this.#follow(run, supervisor?.ends ?? this.#ends);
    await this.#watch.look(nameOf(run));
    return { found: "running", externalId: String(supervisor?.pid ?? ""), ended };
  }

  async stop(run: PreparedRun): Promise<void> {
    const { alive } = runFiles(run.directory);
    const earlier = isEarlierFormat(run.directory);
    if (!earlier && !supervisorLives(alive) && (await closeRun(run))) return;
    const more = () => !earlier && supervisorLives(alive);
    // Before it has said who it is, a supervisor cannot be told from the job.
    while (more() && (await readRecord(run.directory))?.supervisor === undefined) await sleep(10);
    const tree = await treeOf(run);
    const gone = (await endProcessTree(tree, { ...killing, more })) || (await endSupervisor(tree, more));
    if (!gone) throw new Error(`some processes of job ${run.jobId} did not end after SIGKILL`);
    if (!this.#watch.has(nameOf(run))) removeGroups(tree.groups);
  }

  async close(): Promise<void> {
    this.#launcher.close();
    await this.#watch.close();
    await this.#pipes.clear();
  }

  async #startReserved(run: PreparedRun): Promise<{ externalId: string; ended: Promise<RunEnd> }> {
    const name = nameOf(run);
    const groups = this.#groups.make(name, memoryLimit(run));
    try {
      await this.#pipes.place(runFiles(run.directory).alive);
      // Watched before it begins: the announcement of its end can be the first thing that is heard of it.
      const { ended } = await this.#follow(run, this.#ends);
      const pid = await this.#launcher.start({
        jobId: run.jobId,
        name,
        directory: run.directory,
        groups,
        shell: run.destination.shell ?? shell,
      });
      return { externalId: String(pid), ended };
    } catch (error) {
      this.#watch.drop(name);
      removeGroups(groups);
      throw error;
    }
  }

  #follow(run: PreparedRun, ends: string): Promise<{ ended: Promise<RunEnd> }> {
    const since = performance.now();
    const { alive } = runFiles(run.directory);
    return this.#watch.add(nameOf(run), ends, {
      isUnderWay: () => supervisorLives(alive),
      look: async () => {
        const end = await this.#recordedEnd(run);
        if (end !== undefined) this.#launcher.reap();
        if (end !== undefined || supervisorLives(alive)) return end;
        const beginning = !isBegun(run.directory) && existsSync(run.directory);
        if (beginning && performance.now() - since < longestBeginning) return undefined;
        return this.#endWithoutSupervisor(run);
      },
    });
  }

  async #recordedEnd(run: PreparedRun): Promise<RunEnd | undefined> {
    const record = await readRecord(run.directory);
    if (record?.end === undefined) return undefined;
    await settle(run, record.supervisor?.groups ?? []);
    return withGroups(await endOf(run, record.end), record.supervisor?.groups ?? []);
  }

  /** @returns undefined while processes of the job live, whose supervisor is gone */
  async #endWithoutSupervisor(run: PreparedRun): Promise<RunEnd | undefined> {
    // It may have written its record just before it went.
    const recorded = await this.#recordedEnd(run);
    if (recorded !== undefined) return recorded;
    const supervisor = (await readRecord(run.directory))?.supervisor;
    if (supervisor !== undefined && supervisor.bootId !== bootId())
      return { exitCode: null, failure: rebootReason, state: "unknown_error" };
    if (jobHoldsPipe(runFiles(run.directory).alive)) return undefined;
    if ((await processesOf(await treeOf(run))).length > 0) return undefined;
    const exitCode = await writtenExitCode(run);
    const end: RunEnd =
      exitCode === undefined
        ? { exitCode: null, failure: killedReason, state: "unknown_error" }
        : { exitCode, failure: null };
    return withGroups(end, supervisor?.groups ?? []);
  }

  async #recoverEarlier(run: PreparedRun): Promise<RecoveredRun> {
    const look = async (): Promise<RunEnd | undefined> => {
      const earlier = await lookAtEarlierRun(run);
      if (earlier.found === "running") return undefined;
      if (earlier.found === "ended") return earlier.end;
      const boot = earlier.found === "gone" ? earlier.bootId : "";
      if (boot !== "" && boot !== bootId())
        return { exitCode: null, failure: rebootReason, state: "unknown_error" };
      return this.#endWithoutSupervisor(run);
    };
    const earlier = await lookAtEarlierRun(run);
    if (earlier.found === "not-started") return earlier;
    const end = await look();
    if (end !== undefined) return found(end);
    const { ended } = await this.#watch.add(nameOf(run), this.#ends, { look, isUnderWay: () => false });
    return {
      found: "running",
      externalId: earlier.found === "running" ? earlier.externalId : "",
      ended,
    };
  }
}

function nameOf(run: PreparedRun): string {
  return `${run.jobId}.${run.runFence}`;
}

function startFailure(run: PreparedRun, error: unknown): Error {
  const isSecond = (error as NodeJS.ErrnoException).code === "EEXIST";
  const reason = isSecond ? "it was started before" : error instanceof Error ? error.message : String(error);
  return new Error(`cannot start run ${nameOf(run)}: ${reason}`, { cause: error });
}

function found(end: RunEnd): RecoveredRun {
  const isLost = end.failure === rebootReason || end.failure === killedReason;
  return isLost ? { found: "lost", reason: end.failure! } : { found: "ended", end };
}

/**
 * Makes sure that no supervisor begins with a run that none has begun with.
 * @returns whether nothing of it was started, and nothing will be
 */
async function closeRun(run: PreparedRun): Promise<boolean> {
  const { started } = runFiles(run.directory);
  try {
    await writeFile(started, abandoned, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return isClosed(run);
  }
}

async function isClosed(run: PreparedRun): Promise<boolean> {
  return (await readFile(runFiles(run.directory).started, "utf8").catch(() => "")) === abandoned;
}

async function treeOf(run: PreparedRun): Promise<RunTree> {
  const supervisor = (await readRecord(run.directory))?.supervisor;
  const isOfThisBoot = supervisor?.bootId === bootId();
  return {
    directory: run.directory,
    groups: isOfThisBoot ? supervisor.groups : [],
    supervisor: isOfThisBoot ? supervisor : undefined,
  };
}

/** A supervisor that does not end though its job did. */
async function endSupervisor(tree: RunTree, more: () => boolean): Promise<boolean> {
  const { supervisor } = tree;
  if (supervisor === undefined || (await processesOf(tree)).length > 0) return false;
  if (isAlive({ ...supervisor, bootId: bootId() })) process.kill(supervisor.pid, "SIGKILL");
  for (let tries = 0; more() && tries < 100; tries += 1) await sleep(10);
  return !more();
}

/** The script has ended; what it left behind must not write any more once its outputs are read. */
async function settle(run: PreparedRun, groups: readonly string[]): Promise<void> {
  const { alive } = runFiles(run.directory);
  const left = () => jobHoldsPipe(alive) || membersOf(groups).length > 0;
  const until = performance.now() + settling;
  while (left()) {
    if (performance.now() > until) {
      await endProcessTree(await treeOf(run), { ...killing, more: () => false });
      return;
    }
    await sleep(20);
  }
}

/** What the run's groups counted, which are removed then; a job that the kernel ended for want of memory is told so. */
function withGroups(end: RunEnd, groups: readonly string[]): RunEnd {
  if (groups.length === 0) return end;
  const { outOfMemoryKills, peakMemoryBytes, cpuSeconds } = usageOf(groups);
  removeGroups(groups);
  const usage = {
    ...end.usage,
    ...(peakMemoryBytes !== undefined && { peakMemoryBytes }),
    ...(cpuSeconds !== undefined && { cpuSeconds }),
  };
  if (outOfMemoryKills === 0 || end.exitCode === 0) return { ...end, usage };
  const peak =
    peakMemoryBytes === undefined ? "" : ` It had used ${Math.round(peakMemoryBytes / 2 ** 20)} MB at most.`;
  const failure = `The job was ended because it ran out of memory.${peak}`;
  return { ...end, usage, failure, state: "memory_limit_reached" };
}

function memoryLimit(run: PreparedRun): number | undefined {
  const asked = run.destination.params["memory_mb"];
  if (asked === undefined) return undefined;
  const limit = Number(asked);
  if (Number.isInteger(limit) && limit > 0) return limit;
  throw new Error(
    `destination ${run.destination.id}: memory_mb is ${JSON.stringify(asked)}; write a whole number of megabytes`,
  );
}

/** A job sees nothing of the handler's environment but where programs are and which language to speak. */
function jobEnvironment(): Record<string, string> {
  const passed = ["PATH", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME"];
  const environment = Object.fromEntries(
    passed.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]!]])),
  );
  return { PATH: "/usr/local/bin:/usr/bin:/bin", ...environment };
}
