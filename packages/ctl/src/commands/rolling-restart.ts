import type { Argv } from "yargs";
import { rollingRestart } from "../rolling/rolling-restart.ts";
import { supervisor } from "../rolling/supervisor.ts";
import { systemd } from "../rolling/systemd.ts";
import { withDatabase, type CommonArguments } from "../session.ts";

interface RollingArguments extends CommonArguments {
  readonly with: "systemd" | "supervisor";
  readonly web: "reload" | "restart" | "skip";
  readonly timeout: number;
  readonly group: string;
  readonly supervisorConf?: string;
  readonly dryRun?: boolean;
}

export function rollingRestartCommand(parser: Argv<CommonArguments>): Argv<CommonArguments> {
  return parser.command(
    "rolling-restart",
    "Renew every process on this host, one after the other, without a request refused or a job lost",
    (command) =>
      command
        .option("with", {
          choices: ["systemd", "supervisor"] as const,
          demandOption: true,
          describe: "What runs the processes",
        })
        .option("web", {
          choices: ["reload", "restart", "skip"] as const,
          default: "reload" as const,
          describe: "reload: new workers beside the old ones; restart: its master too",
        })
        .option("timeout", {
          type: "number",
          default: 120,
          describe: "Seconds that one process may take to stop and start",
        })
        .option("group", {
          type: "string",
          default: "galaxy",
          describe: "Group of the programs (supervisor)",
        })
        .option("supervisor-conf", {
          type: "string",
          requiresArg: true,
          describe: "The supervisord.conf (default: supervisorctl finds it)",
        })
        .option("dry-run", { type: "boolean", describe: "Say what would be done, in which order" }),
    (args) => run(args as unknown as RollingArguments),
  );
}

async function run(args: RollingArguments): Promise<void> {
  if (!(args.timeout > 0)) throw new Error("--timeout: expected seconds, more than 0");
  await withDatabase(args, (database, config) =>
    rollingRestart({
      config,
      database,
      manager: args.with === "systemd" ? systemd : supervisor(args.group, args.supervisorConf),
      web: args.web,
      patience: args.timeout * 1000,
      dryRun: args.dryRun === true,
      tell: (line) => process.stdout.write(`${line}\n`),
    }),
  );
}
