import type { Destination, Fault, GalaxyConfig } from "@galaxy-jobs/runtime";
import { RuleThread } from "./rules/rule-thread.ts";
import { factNames, nameOfRule, scriptOf } from "./rules/script.ts";

/**
 * Loads the rules of `type: javascript` and looks whether they are there and ask for nothing that there is not. A rule whose
 * function is named by the tool is looked at for each tool that job_conf sends there by its id.
 */
export async function checkRules(config: GalaxyConfig): Promise<Fault[]> {
  const scripted = Object.values(config.jobs.destinations).filter((one) => scriptOf(one) !== undefined);
  if (scripted.length === 0) return [];
  const thread = new RuleThread({
    data: {
      directory: config.jobRulesDirectory,
      serverName: config.serverName,
      destinations: config.jobs.destinations,
      defaultDestination: config.jobs.defaultDestination,
    },
    count: () => Promise.reject(new TypeError("a module asks for jobs while it is loaded")),
    onOutput: () => undefined,
  });
  try {
    const faults: Fault[] = [];
    for (const destination of scripted) faults.push(...(await checkRule(config, thread, destination)));
    return faults;
  } finally {
    await thread.close();
  }
}

async function checkRule(
  config: GalaxyConfig,
  thread: RuleThread,
  destination: Destination,
): Promise<Fault[]> {
  const rule = scriptOf(destination)!;
  const names = rule.function === undefined ? toolsOf(config, destination) : [""];
  const faults: Fault[] = [];
  for (const tool of names) {
    const answer = await thread.ask({
      kind: "look",
      rule: nameOfRule(rule, tool),
      facts: factNames(destination),
    });
    if (answer.is === "found") continue;
    const message = "message" in answer ? answer.message : "the modules were not loaded in time";
    faults.push(faultOf(config, destination, message));
  }
  return faults;
}

function toolsOf({ jobs }: GalaxyConfig, { id, tags }: Destination): string[] {
  return jobs.tools.flatMap((tool) =>
    tool.id !== undefined && tool.destination !== undefined && [id, ...tags].includes(tool.destination)
      ? tool.id
      : [],
  );
}

function faultOf(config: GalaxyConfig, { id }: Destination, message: string): Fault {
  const file = config.jobConfigFile ?? config.file;
  return { ...(file === undefined ? {} : { file }), key: `execution.environments.${id}`, message };
}
