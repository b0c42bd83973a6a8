import { flag, number } from "../option-kinds.ts";
import { DEFAULT_JOB_CONFIG, type RunnerConfig } from "../job-config.ts";
import { Place, setParam } from "./place.ts";

/** Whether `enabled`, which may name its value (galaxy.md 3.2), says nothing else; also where it is among the parameters. */
export function isEnabled(settings: Place): boolean {
  const [written] = [settings.get("enabled"), settings.get("params").get("enabled")].filter(
    (place) => !place.isEmpty,
  );
  if (written === undefined) return true;
  return new Place(written.reading, written.path, written.settle()).read(flag) ?? true;
}

/** Keywords of Galaxy's runners that tell where its Python libraries lie. */
const galaxyOnly = ["drmaa_library_path", "rules_module"];

/** `runners` (galaxy.md 3.3, 3.4), without those that are not enabled. `dynamic` is no runner here: a rule decides. */
export function readRunners(runners: Place): Record<string, RunnerConfig> {
  if (runners.isEmpty) return { ...DEFAULT_JOB_CONFIG.runners };
  const found: Record<string, RunnerConfig> = {};
  for (const [id, runner] of runners.entries()) {
    if (id === "dynamic" || id === "dynamic_tpv") {
      for (const [key, value] of runner.entries()) value.notUsed(`${key} of the runner ${id}`);
      continue;
    }
    if (!isEnabled(runner)) continue;
    const load = runner.get("load");
    if (load.isEmpty)
      runner.fault("load is required", "for local jobs: load: galaxy.jobs.runners.local:LocalJobRunner");
    const params: Record<string, unknown> = {};
    for (const [key, value] of [...runner.entries(), ...runner.get("kwds").entries()]) {
      if (galaxyOnly.includes(key)) value.notUsed(key);
      else if (!["id", "load", "workers", "enabled", "kwds"].includes(key)) setParam(params, key, value);
    }
    found[id] = {
      load: load.text() ?? "",
      workers: runner.get("workers").read(number({ min: 1, max: 10_000, whole: true })) ?? 4,
      params,
    };
  }
  return found;
}
