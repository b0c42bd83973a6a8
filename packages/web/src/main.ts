import { readFileSync } from "node:fs";
import {
  commandLine,
  daemonOptions,
  findConfigFile,
  runDaemon,
  type DaemonArguments,
  type DaemonContext,
  type DaemonSettings,
  type Fault,
  type GalaxyConfig,
  type SignalTable,
} from "@galaxy-jobs/runtime";
import { ListeningSockets } from "./master/listening-sockets.ts";
import { prepareListening } from "./master/prepare-listening.ts";

/** Seconds that a master needs on top of the mercy that its children get. */
const MARGIN = 5;

const { version: release } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
) as { version: string };

/** The signals of a web tier without a master; MASTER_SIGNALS are those of one with. */
const SINGLE_SIGNALS: SignalTable = {
  SIGTERM: "stop",
  SIGINT: "stop",
  SIGQUIT: "stop-at-once",
  SIGHUP: "reopen-logs",
  SIGUSR1: "reopen-logs",
};

const parser = daemonOptions(commandLine("galaxy-web", process.argv.slice(2)))
  .usage(
    "$0 [options]\n\nThe web tier: the page and the API. Jobs are run by galaxy-handler processes, or here if nothing else is configured.",
  )
  .example("$0 -c config/galaxy.yml", "in the foreground")
  .version(release);
const args = (await parser.parse()) as unknown as DaemonArguments;

let sockets = new ListeningSockets(1);
let logFile: string | undefined;

await runDaemon({
  name: "galaxy-web",
  arguments: args,
  signals: ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTTIN", "SIGTTOU"],
  settings,
  check,
  prepare,
  main,
});

/** Only where jobs are handled in this process; the workers and mules of a master check for themselves. */
async function check(config: GalaxyConfig): Promise<readonly Fault[]> {
  if (config.web.tree.hasMaster && !args._.includes("check")) return [];
  const { checkRules, isWebHandler } = await import("@galaxy-jobs/handler");
  return isWebHandler(config, config.web.tree.farms.length > 0) ? checkRules(config) : [];
}

function settings({ web }: GalaxyConfig): DaemonSettings {
  const { hasMaster, workerMercy, muleMercy, signals, zergPool } = web.tree;
  const isTree = hasMaster && zergPool === undefined;
  return {
    signals: isTree ? signals : SINGLE_SIGNALS,
    ...(isTree ? { patience: Math.max(workerMercy, muleMercy) + MARGIN } : {}),
    background: web.background,
    ...(web.log === undefined ? {} : { log: web.log }),
    ...(web.pidFile === undefined ? {} : { pidFile: web.pidFile }),
  };
}

/** Binds the sockets and gives up privileges, before anything else is opened or started. */
async function prepare(config: GalaxyConfig, log: string | undefined): Promise<void> {
  logFile = log;
  sockets = await prepareListening(config, process.env, log);
}

/** Which kind of web tier this is; only that one is loaded. */
async function main(context: DaemonContext): Promise<void> {
  const { tree } = context.config.web;
  if (tree.zergPool !== undefined) {
    const { runPool } = await import("./zerg/run-pool.ts");
    return runPool(context, sockets);
  }
  if (!tree.hasMaster) {
    const { runSingleProcess } = await import("./single-process.ts");
    return runSingleProcess(context, sockets);
  }
  const { runMaster } = await import("./master/run-master.ts");
  const { logLevel, logFormat, serverName } = args;
  return runMaster(context, {
    sockets,
    release,
    env: process.env,
    logFile,
    load: {
      file: findConfigFile(args.configFile, process.env),
      env: process.env,
      serverName,
      logLevel,
      logFormat,
    },
  });
}
