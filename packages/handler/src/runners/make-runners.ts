import { join } from "node:path";
import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import { LocalRunner } from "./local/local-runner.ts";
import type { Runner } from "./runner.ts";

/**
 * The runners of job_conf by id that this handler loads: all, or those that its `plugins` name. Those that this release does
 * not have are left out: their jobs fail with the reason (galaxy.md 3.4).
 */
export function makeRunners(config: GalaxyConfig, onTrouble: (error: unknown) => void): Map<string, Runner> {
  const runners = new Map<string, Runner>();
  for (const [id, runner] of Object.entries(config.jobs.runners)) {
    if (!canMakeRunner(config, id) || !loadsRunner(config, config.serverName, id)) continue;
    runners.set(id, new LocalRunner(id, runner, { folder: runnerFolder(config, id), onTrouble }));
  }
  return runners;
}

/** Whether job_conf has the runner, and this release what it loads. */
export function canMakeRunner(config: GalaxyConfig, id: string): boolean {
  const runner = Object.hasOwn(config.jobs.runners, id) ? config.jobs.runners[id] : undefined;
  return runner !== undefined && /^(galaxy\.jobs\.runners\.)?local(:LocalJobRunner)?$/.test(runner.load);
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
