import { explainRoute } from "@galaxy-jobs/handler";
import { formatFault } from "@galaxy-jobs/runtime";
import { findUserByEmail } from "@galaxy-jobs/shared-db";
import { loadToolBox } from "@galaxy-jobs/tools";
import type { Argv } from "yargs";
import { cell } from "../output.ts";
import { withDatabase, type CommonArguments } from "../session.ts";

type RouteArguments = CommonArguments & { tool: string; user?: string; handler?: string };

/** `config route TOOL`: where a run of a tool would go, and why. */
export function routeCommand(parser: Argv<CommonArguments>): Argv<CommonArguments> {
  return parser.command(
    "route <tool>",
    "Where a run of a tool would go now, step by step, and why; nothing is written",
    (route) =>
      route
        .positional("tool", { type: "string", describe: "Tool id, or id/version" })
        .option("user", {
          type: "string",
          requiresArg: true,
          describe: "E-mail: show this user's limits too",
        })
        .option("handler", {
          type: "string",
          requiresArg: true,
          describe: "As if the tool were mapped to this handler id or tag",
        }),
    (args) => route(args as unknown as RouteArguments),
  ) as Argv<CommonArguments>;
}

async function route(args: RouteArguments): Promise<void> {
  await withDatabase(args, async (database, config) => {
    const tools = await loadToolBox(config.toolPaths);
    const [, id, version] = /^(.*?)(?:\/([^/]+))?$/.exec(args.tool)!;
    const tool = tools.get(args.tool) ?? tools.get(id!, version);
    if (tool === undefined) {
      const faulty = tools.faults.map((fault) => `; ${formatFault(fault)}`).join("");
      throw new Error(`there is no tool ${args.tool} in ${toolPlaces(config.toolPaths)}${faulty}`);
    }
    const user = args.user === undefined ? undefined : await findUserByEmail(database, args.user);
    if (args.user !== undefined && user === undefined) throw new Error(`there is no user ${args.user}`);
    const steps = await explainRoute(database, config, {
      tool: { id: tool.id, version: tool.version },
      userId: user?.id,
      handler: args.handler,
    });
    if (args.json === true) process.stdout.write(`${JSON.stringify(steps, undefined, 2)}\n`);
    else
      for (const { step, words, trouble } of steps)
        process.stdout.write(`${trouble ? "!" : " "} ${step.padEnd(12)}${cell(words)}\n`);
  });
}

function toolPlaces(paths: readonly string[] | undefined): string {
  return paths === undefined ? "the bundled tools" : paths.join(", ");
}
