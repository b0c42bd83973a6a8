import type { RunnerConfig } from "@galaxy-jobs/runtime";
import type { PreparedRun, RecoveredRun, Runner, StartedRun } from "../runner.ts";

/**
 * Runs nothing: a run has ended, with exit code 0, when its start returns. For benches and load tests, which want to know what
 * everything around a run costs (docs/runners.md). `load: noop` of a runner of job_conf asks for it; nothing else does.
 */
export class NoopRunner implements Runner {
  readonly name: string;
  readonly slots: number;
  /** Nothing of a run is on a machine, so every handler of the pool can take it over. */
  readonly reach = "cluster";
  readonly needsDirectory = false;

  constructor(name: string, { workers }: RunnerConfig) {
    this.name = name;
    this.slots = workers;
  }

  start(run: PreparedRun): Promise<StartedRun> {
    const externalId = `${run.jobId}.${run.runFence}`;
    return Promise.resolve({ externalId, ended: Promise.resolve({ exitCode: 0, failure: null }) });
  }

  /** A start has no effect that could be found, or doubled: what its handler did not write has not been. */
  recover(): Promise<RecoveredRun> {
    return Promise.resolve({ found: "not-started" });
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** @param load of job_conf */
export function isNoopRunner(load: string): boolean {
  return load === "noop";
}
