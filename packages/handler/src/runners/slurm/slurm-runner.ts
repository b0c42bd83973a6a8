import { setTimeout as sleep } from "node:timers/promises";
import type { RunnerConfig, SlurmSettings } from "@galaxy-jobs/runtime";
import type { PreparedRun, RecoveredRun, Runner, StartedRun } from "../runner.ts";
import type { CommandShell } from "../shell/command-shell.ts";
import { LocalShell } from "../shell/local-shell.ts";
import { SshShell } from "../shell/ssh-shell.ts";
import { begunBy, cancelBegin, closeIfNotSubmitted, isAlive, notedJobId, recordedEnd } from "./run-record.ts";
import { usualPatience, type Patience, type RunWatch } from "./run-watch.ts";
import { SlurmCluster } from "./slurm-cluster.ts";
import { settingsOf } from "./submission.ts";

/** Runs that one handler has with Slurm at most; limits of job_conf are the way to have fewer. */
const mostRuns = 10_000;
/** A start returns after so long also when Slurm has not answered, so that a handler that stops need not wait for it, ms. */
const startPatience = 3_000;
/** How long a look for a run that has left its record waits for Slurm's word on it, ms. */
const recoverPatience = 5_000;
/** Processes of a job that Slurm calls ended are gone by then, ms. */
const lingering = 5_000;

export interface SlurmRunnerOptions {
  /** Between two looks at all jobs, ms. */
  readonly interval: number;
  readonly onTrouble: (error: unknown) => void;
  /** For tests: how long what is late is waited for. */
  readonly patience?: Partial<Patience>;
}

/**
 * Runs jobs on a Slurm cluster that shares the job working directory with this machine. Galaxy's slurm, drmaa and cli runners
 * (galaxy.md 4.17, 4.18). Any handler that has this runner can take over its runs.
 */
export class SlurmRunner implements Runner {
  readonly name: string;
  readonly reach = "cluster";
  readonly slots = mostRuns;
  readonly #config: RunnerConfig;
  readonly #options: SlurmRunnerOptions;
  readonly #clusters = new Map<string, SlurmCluster>();
  /** Runs that Slurm has none of any more. */
  readonly #gone = new WeakSet<PreparedRun>();

  constructor(name: string, config: RunnerConfig, options: SlurmRunnerOptions) {
    this.name = name;
    this.#config = config;
    this.#options = options;
  }

  async start(run: PreparedRun): Promise<StartedRun> {
    const cluster = this.#clusterOf(settingsOf(run));
    const watch = this.#keep(cluster.submit(run));
    const failure = await Promise.race([
      watch.submission.then(() => undefined),
      watch.ended.then(({ failure: reason }) => reason),
      sleep(startPatience, undefined, { ref: false }),
    ]);
    if (typeof failure === "string" && /was started before/.test(failure)) throw new Error(failure);
    return watch.started;
  }

  async recover(run: PreparedRun): Promise<RecoveredRun> {
    if (await closeIfNotSubmitted(run)) return { found: "not-started" };
    const cluster = this.#clusterOf(settingsOf(run));
    const jobId = (await notedJobId(run)) ?? (await begunBy(run));
    const watch = this.#keep(cluster.adopt(run, jobId));
    if (jobId !== undefined && (await recordedEnd(run)) !== undefined && cluster.answers) {
      const end = await Promise.race([watch.ended, sleep(recoverPatience, undefined, { ref: false })]);
      if (end !== undefined) return { found: "ended", end };
    }
    return { found: "running", ...watch.started, externalId: jobId ?? "" };
  }

  async stop(run: PreparedRun): Promise<void> {
    if (this.#gone.has(run)) return;
    const neverBegun = await cancelBegin(run);
    const cluster = this.#clusterOf(settingsOf(run));
    const watch = cluster.watchOf(run);
    if (watch !== undefined) watch.isCancelled = true;
    const jobId = await this.#jobIdOf(run, watch);
    if (jobId !== undefined) {
      await cluster.cancel(jobId);
      await this.#mustBeGone(run, jobId);
    } else if (!neverBegun) throw new Error(`the job of Slurm that runs job ${run.jobId} is not known`);
    else {
      // Its submission may be waiting for a Slurm that is away.
      watch?.cancel();
      if (!(await closeIfNotSubmitted(run))) await cluster.cancelUnnoted(run);
    }
    this.#gone.add(run);
  }

  leave(): void {
    for (const cluster of this.#clusters.values()) cluster.leave();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clusters.values()].map((cluster) => cluster.close()));
  }

  /** A Slurm that has lost the job, or given its node up, cannot end what runs there. @throws Error that says so */
  async #mustBeGone(run: PreparedRun, jobId: string): Promise<void> {
    const until = performance.now() + lingering;
    while (await isAlive(run)) {
      if (performance.now() > until)
        throw new Error(
          `Slurm knows of no running job ${jobId}, and processes of it live on: end them on their node, or wait for them`,
        );
      await sleep(200);
    }
  }

  /** Of a run whose submission is under way: once that is over. */
  async #jobIdOf(run: PreparedRun, watch: RunWatch | undefined): Promise<string | undefined> {
    if (watch !== undefined && watch.jobId === undefined)
      await Promise.race([watch.submission, watch.ended, sleep(startPatience, undefined, { ref: false })]);
    return watch?.jobId ?? (await notedJobId(run)) ?? (await begunBy(run));
  }

  #keep(watch: RunWatch): RunWatch {
    void watch.ended.then(() => {
      if (watch.isGone) this.#gone.add(watch.run);
    });
    return watch;
  }

  #clusterOf({ shell, cluster: name }: SlurmSettings): SlurmCluster {
    const key = JSON.stringify([shell, name]);
    let cluster = this.#clusters.get(key);
    if (cluster === undefined) {
      const { interval, onTrouble, patience } = this.#options;
      cluster = new SlurmCluster({
        shell: this.#shellFor(shell),
        name,
        interval,
        onTrouble,
        workers: this.#config.workers,
        patience: { ...usualPatience, ...patience },
      });
      this.#clusters.set(key, cluster);
    }
    return cluster;
  }

  #shellFor(remote: SlurmSettings["shell"]): CommandShell {
    const environment = commandEnvironment(this.#config);
    return remote === undefined ? new LocalShell(environment) : new SshShell(remote, environment);
  }
}

/**
 * What Slurm's commands see of the handler's environment, and through sbatch the job: where programs are, which language to
 * speak, and which cluster; never what else the handler has, such as its database's password.
 */
function commandEnvironment({ params }: RunnerConfig): Record<string, string> {
  const passed = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && isPassed(name) ? [[name, value]] : [],
  );
  const own = params["slurm_conf"];
  return {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    ...Object.fromEntries(passed),
    ...(typeof own === "string" && own !== "" ? { SLURM_CONF: own } : {}),
  };
}

function isPassed(name: string): boolean {
  const common = ["PATH", "LANG", "LC_ALL", "TZ", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK"];
  const slurm = ["SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT"];
  // The others of sbatch's are defaults of options; these would keep a job from being followed.
  const misleading = ["SBATCH_ARRAY_INX", "SBATCH_CLUSTERS", "SBATCH_WAIT"];
  return (
    common.includes(name) ||
    slurm.includes(name) ||
    (name.startsWith("SBATCH_") && !misleading.includes(name))
  );
}
