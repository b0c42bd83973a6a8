import type { Fault } from "../faults.ts";
import type { DocumentPath } from "../yaml-document.ts";
import type { ConfigSource } from "./config-source.ts";
import { DEFAULT_JOB_CONFIG, type JobConfig } from "./job-config.ts";
import { disabledDestinations, readExecution } from "./job-config/execution.ts";
import { readHandling } from "./job-config/handling.ts";
import { readLimits } from "./job-config/limits.ts";
import { Place, type Lookup } from "./job-config/place.ts";
import { readRunners } from "./job-config/runners.ts";
import { namedByTools, readResources, readTools } from "./job-config/tools.ts";

const SECTIONS = ["runners", "handling", "execution", "tools", "resources", "limits", "dynamic"];

/**
 * Reads job_conf in the shape of its YAML form (galaxy.md 3.3); the XML form is brought into that shape before.
 *
 * @param at where in the document it lies: [] in a file of its own, ["galaxy", "job_config"] inline
 */
export function readJobConfig(
  source: ConfigSource,
  at: DocumentPath,
  raw: unknown,
  warn: (fault: Fault) => void,
  lookup: Lookup,
): JobConfig {
  const content = new Place({ source, warn, unused: new Set(), lookup }, at, raw);
  if (content.isEmpty) return DEFAULT_JOB_CONFIG;
  content.onlyKeys(SECTIONS);
  const runners = readRunners(content.get("runners"));
  // An older place for the parameters of dynamic destinations.
  for (const [key, value] of content.get("dynamic").entries()) value.notUsed(`${key} of the runner dynamic`);
  const handling = readHandling(content.get("handling"), [
    ...Object.keys(runners),
    ...content
      .get("runners")
      .entries()
      .map(([id]) => id),
  ]);
  const execution = readExecution(
    content.get("execution"),
    runners,
    handling.handlers,
    namedByTools(content.get("tools")),
  );
  const resources = readResources(content.get("resources"));
  return {
    ...handling,
    ...execution,
    runners,
    resources,
    tools: readTools(content.get("tools"), { ...execution, resources, handlers: handling.handlers }),
    limits: readLimits(
      content.get("limits"),
      execution.destinations,
      disabledDestinations(content.get("execution")),
    ),
  };
}
