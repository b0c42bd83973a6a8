import type { Argv } from "yargs";
import { checkRules } from "@galaxy-jobs/handler";
import { FaultsError, formatFault } from "@galaxy-jobs/runtime";
import { configOf, type CommonArguments } from "../session.ts";

export function configCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command("check", "Check the configuration: every fault, with file and line", {}, async (args) => {
      const config = configOf(args as CommonArguments);
      for (const warning of config.warnings) process.stdout.write(`warning: ${formatFault(warning)}\n`);
      const rules = await checkRules(config);
      if (rules.length > 0)
        throw new FaultsError(config.jobConfigFile ?? config.file ?? "configuration", rules);
      const files = [config.file ?? "(all defaults)", config.jobConfigFile].filter(
        (file) => file !== undefined,
      );
      process.stdout.write(`${files.join(" with ")} is valid\n`);
    })
    .demandCommand(1, "config: say check");
}
