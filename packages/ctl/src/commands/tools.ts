import { readFile } from "node:fs/promises";
import type { Argv } from "yargs";
import { formatFault } from "@galaxy-jobs/runtime";
import { parseTool } from "@galaxy-jobs/tools/lint";
import type { CommonArguments } from "../session.ts";

export function toolCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command("lint <files..>", "Check tool files: every fault, with line and column", {}, async (args) => {
      const { files, json } = args as unknown as { files: string[]; json?: boolean };
      const results = await Promise.all(
        files.map(async (file) => {
          const { faults, warnings } = parseTool(await readFile(file, "utf8"), file);
          return { file, faults, warnings };
        }),
      );
      if (json === true) process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
      else {
        for (const { file, faults, warnings } of results) {
          for (const fault of faults) process.stdout.write(`${formatFault(fault)}\n`);
          for (const warning of warnings) process.stdout.write(`warning: ${formatFault(warning)}\n`);
          if (faults.length === 0) process.stdout.write(`${file}: good\n`);
        }
      }
      if (results.some(({ faults }) => faults.length > 0)) process.exitCode = 1;
    })
    .demandCommand(1, "tools: say lint");
}
