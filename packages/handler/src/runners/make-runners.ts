import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import { LocalRunner } from "./local/local-runner.ts";
import type { Runner } from "./runner.ts";

/** The runners of job_conf by id. Those that this release does not have are left out: their jobs fail with the reason (galaxy.md 3.4). */
export function makeRunners(config: GalaxyConfig): Map<string, Runner> {
  const runners = new Map<string, Runner>();
  for (const [id, runner] of Object.entries(config.jobs.runners)) {
    if (/^(galaxy\.jobs\.runners\.)?local(:LocalJobRunner)?$/.test(runner.load))
      runners.set(id, new LocalRunner(id, runner));
  }
  return runners;
}
