import path from "node:path";
import { loadGalaxyConfig } from "../config/load-galaxy-config.ts";
import type { LoadOptions } from "../config/load-galaxy-config.ts";
import type { GalaxyConfig } from "../config/galaxy-config.ts";
import { FaultsError, formatFault } from "../faults.ts";
import type { Fault } from "../faults.ts";
import { createLogger } from "../log.ts";
import type { Logger } from "../log.ts";
import type { Service } from "../service.ts";
import { Daemon } from "./daemon.ts";
import { startInBackground, waitingParent } from "./daemonize.ts";
import { findConfigFile } from "./daemon-options.ts";
import type { DaemonArguments } from "./daemon-options.ts";
import { PidFile } from "./pid-file.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { SignalQueue } from "./signal-queue.ts";
import { stopDaemon } from "./stop-daemon.ts";

/** What `main` of a daemon works with. */
export interface DaemonContext {
  readonly config: GalaxyConfig;
  readonly logger: Logger;
  readonly identity: ProcessIdentity;
  /** Aborted by the first signal to stop: for waits during the start. */
  readonly stopping: AbortSignal;
  /** Starts the service; when the daemon stops it is stopped, the last started first. */
  run(service: Service): Promise<void>;
  /** Ends the daemon from within: gracefully, with this exit code. */
  end(exitCode: number, reason: string): void;
}

export interface DaemonOptions {
  /** The program, e.g. `galaxy-handler`. */
  readonly name: string;
  readonly arguments: DaemonArguments;
  /** Starts everything, through `context.run`; the daemon is ready when it resolves. */
  main(context: DaemonContext): Promise<void>;
  /** Looks at what the configuration alone does not show, for `check` and before the start. */
  check?(config: GalaxyConfig): Promise<readonly Fault[]> | readonly Fault[];
  /** What more of the command line goes into the configuration. */
  readonly load?: Partial<LoadOptions>;
}

/** A process that does not end by itself this long after everything was stopped is ended, ms. */
const LINGER_MS = 3000;
const STOP_DAEMON_MARGIN_MS = 15_000;

/**
 * The life of every daemon: configuration, log, pid file, background, signals, start, stop, exit status. It resolves when
 * all is over and sets process.exitCode: 0 stopped as asked, 1 could not start or failed, 128+n forced by signal n. The
 * process then ends by itself, as nothing keeps it; if something does, it is ended with that code.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const signals = new SignalQueue();
  const parent = waitingParent(process.env);
  const exitCode = await life(options, signals, parent).catch((error: unknown) => {
    const text = failureText(options.name, error);
    process.stderr.write(`${text}\n`);
    parent?.failed(text, 1);
    return 1;
  });
  signals.close();
  process.exitCode = exitCode;
  setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
}

async function life(
  options: DaemonOptions,
  signals: SignalQueue,
  parent: ReturnType<typeof waitingParent>,
): Promise<number> {
  const args = options.arguments;
  if (args.stopDaemon === true && args.pidFile !== undefined) {
    return tell(options, await stopDaemon(args.pidFile, defaultPatience));
  }
  const config = loadGalaxyConfig({
    file: findConfigFile(args.configFile, process.env),
    env: process.env,
    serverName: args.serverName,
    attachToPools: args.attachToPool,
    logFile: args.logFile,
    logLevel: args.logLevel,
    logFormat: args.logFormat,
    ...options.load,
  });
  const background = args.daemonize === true || parent !== undefined;
  const pidFile = args.pidFile ?? path.join(config.rootDirectory, `${config.serverName}.pid`);
  if (args.stopDaemon === true) {
    return tell(
      options,
      await stopDaemon(pidFile, config.monitorThreadJoinTimeout * 1000 + STOP_DAEMON_MARGIN_MS),
    );
  }
  const more = (await options.check?.(config)) ?? [];
  if (more.length > 0) throw new FaultsError(config.file ?? "configuration", more);
  if (args._.includes("check")) return reportValid(options, config);

  const logFile =
    config.log.file ?? (background ? path.join(config.rootDirectory, `${config.serverName}.log`) : undefined);
  if (background && parent === undefined) {
    const holder = PidFile.holder(pidFile);
    if (holder !== undefined) throw new Error(`already running with pid ${holder.pid} (${pidFile})`);
    signals.remove();
    return tell(options, await startInBackground(String(logFile)));
  }
  const held = background || args.pidFile !== undefined ? PidFile.take(pidFile) : undefined;
  try {
    const logger = createLogger({
      level: config.log.level,
      format: config.log.format,
      facts: { server: config.serverName },
      ...(logFile === undefined ? {} : { file: logFile }),
    });
    const daemon = new Daemon({
      name: options.name,
      config,
      logger,
      signals,
      onForce: () => held?.release(),
    });
    return await daemon.live(
      (context) => options.main(context),
      () => parent?.ready(),
    );
  } finally {
    held?.release();
  }
}

const defaultPatience = 30_000 + STOP_DAEMON_MARGIN_MS;

function reportValid(options: DaemonOptions, config: GalaxyConfig): number {
  for (const warning of config.warnings) process.stdout.write(`warning: ${formatFault(warning)}\n`);
  process.stdout.write(`${options.name}: the configuration ${config.file ?? "(all defaults)"} is valid\n`);
  return 0;
}

function tell(options: DaemonOptions, result: { exitCode: number; text: string }): number {
  const stream = result.exitCode === 0 ? process.stdout : process.stderr;
  const prefixed = result.text.startsWith(`${options.name}: `)
    ? result.text
    : `${options.name}: ${result.text}`;
  stream.write(`${prefixed}\n`);
  return result.exitCode;
}

function failureText(name: string, error: unknown): string {
  return `${name}: ${error instanceof Error ? error.message : String(error)}`;
}
