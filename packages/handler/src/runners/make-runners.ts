import { join } from "node:path";
import { isSlurmRunner, type GalaxyConfig, type RunnerConfig } from "@galaxy-jobs/runtime";
import { LocalRunner } from "./local/local-runner.ts";
import { isNoopRunner, NoopRunner } from "./noop/noop-runner.ts";
import type { Runner } from "./runner.ts";
import { SlurmRunner } from "./slurm/slurm-runner.ts";

type RunnerFactory = (
  id: string,
  runner: RunnerConfig,
  config: GalaxyConfig,
  onTrouble: (error: unknown) => void,
) => Runner;

/** What this release has, by what job_conf says to load. */
const factories: readonly (readonly [loads: (load: string) => boolean, make: RunnerFactory])[] = [
  [
    isLocalRunner,
    (id, runner, config, onTrouble) =>
      new LocalRunner(id, runner, { folder: runnerFolder(config, id), onTrouble }),
  ],
  [
    isSlurmRunner,
    (id, runner, { jobRunnerMonitorSleep }, onTrouble) =>
      new SlurmRunner(id, runner, { interval: jobRunnerMonitorSleep * 1000, onTrouble }),
  ],
  [isNoopRunner, (id, runner) => new NoopRunner(id, runner)],
];

/**
 * The runners of job_conf by id that this handler loads: all, or those that its `plugins` name. Those that this release does
 * not have are left out: their jobs fail with the reason (galaxy.md 3.4).
 */
export function makeRunners(config: GalaxyConfig, onTrouble: (error: unknown) => void): Map<string, Runner> {
  const runners = new Map<string, Runner>();
  for (const [id, runner] of Object.entries(config.jobs.runners)) {
    const make = factoryOf(runner);
    if (make === undefined || !loadsRunner(config, config.serverName, id)) continue;
    runners.set(id, make(id, runner, config, onTrouble));
  }
  return runners;
}

/** Whether job_conf has the runner, and this release what it loads. */
export function canMakeRunner(config: GalaxyConfig, id: string): boolean {
  const runner = Object.hasOwn(config.jobs.runners, id) ? config.jobs.runners[id] : undefined;
  return runner !== undefined && factoryOf(runner) !== undefined;
}

/** Whether a handler's `plugins` name the runner. One that has none, or that job_conf does not define, loads all. */
export function loadsRunner(config: GalaxyConfig, serverName: string, runner: string): boolean {
  const plugins = config.jobs.handlers.find(({ id }) => id === serverName)?.plugins;
  return plugins === undefined || plugins.includes(runner);
}

/** What a handler's runner keeps beside the run directories. A server name may hold any character. */
function runnerFolder(config: GalaxyConfig, runner: string): string {
  const name = encodeURIComponent(`${config.serverName}@${runner}`);
  return join(config.jobWorkingDirectory, "local-runner", name);
}

function factoryOf({ load }: RunnerConfig): RunnerFactory | undefined {
  return factories.find(([loads]) => loads(load))?.[1];
}

function isLocalRunner(load: string): boolean {
  return /^(galaxy\.jobs\.runners\.)?local(:LocalJobRunner)?$/.test(load);
}
