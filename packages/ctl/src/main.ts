import { readFileSync } from "node:fs";
import { commandLine } from "@galaxy-jobs/runtime";
import type { Argv } from "yargs";
import { configCommands } from "./commands/config.ts";
import { dbCommands } from "./commands/db.ts";
import { deployCommands } from "./commands/deploy.ts";
import { handlerCommands, poolCommands } from "./commands/handlers.ts";
import { jobCommands } from "./commands/jobs.ts";
import { maintenanceCommands } from "./commands/maintenance.ts";
import { rollingRestartCommand } from "./commands/rolling-restart.ts";
import { routeCommand } from "./commands/route.ts";
import { toolCommands } from "./commands/tools.ts";
import { topCommand } from "./commands/top.ts";
import { userCommands } from "./commands/users.ts";
import { webCommands } from "./commands/web.ts";
import type { CommonArguments } from "./session.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const parser = commandLine("galaxyctl", process.argv.slice(2))
  .usage("$0 <command>\n\nLooks after an instance of galaxy-jobs.")
  .option("config-file", { alias: "c", type: "string", requiresArg: true, describe: "The galaxy.yml" })
  .option("json", { type: "boolean", describe: "Machine-readable output" })
  .version(version) as unknown as Argv<CommonArguments>;

try {
  await rollingRestartCommand(topCommand(parser) as Argv<CommonArguments>)
    .command("db", "The database's schema", (db) => dbCommands(db as Argv<CommonArguments>))
    .command("handlers", "Handlers", (handlers) => handlerCommands(handlers as Argv<CommonArguments>))
    .command("pools", "Pools of handlers", (pools) => poolCommands(pools as Argv<CommonArguments>))
    .command("jobs", "Jobs", (jobs) => jobCommands(jobs as Argv<CommonArguments>))
    .command("web", "The web tier on this machine", (web) => webCommands(web as Argv<CommonArguments>))
    .command("maintenance", "What keeps the instance healthy", (maintenance) =>
      maintenanceCommands(maintenance as Argv<CommonArguments>),
    )
    .command("users", "Users and their API keys", (users) => userCommands(users as Argv<CommonArguments>))
    .command("config", "The configuration", (config) =>
      configCommands(routeCommand(config as Argv<CommonArguments>)),
    )
    .command("deploy", "Files of process managers", (deploy) =>
      deployCommands(deploy as Argv<CommonArguments>),
    )
    .command("tools", "Tools", (tools) => toolCommands(tools as Argv<CommonArguments>))
    .demandCommand(1, "say what to do")
    .parseAsync();
} catch (error) {
  process.stderr.write(`galaxyctl: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
