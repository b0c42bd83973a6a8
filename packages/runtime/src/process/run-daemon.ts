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
import { takeMasterMark, tellMaster } from "./master-channel.ts";
import { CHILD_SIGNALS, SIGNALS, SignalQueue } from "./signal-queue.ts";
import type { SignalMeaning, SignalTable } from "./signal-queue.ts";
import { ServiceManager, writesToJournal } from "./service-manager.ts";
import { stopDaemon } from "./stop-daemon.ts";

/** What `main` of a daemon works with. */
export interface DaemonContext {
  readonly config: GalaxyConfig;
  readonly logger: Logger;
  readonly identity: ProcessIdentity;
  /** A master started this process, as its child; it tells and hears it over the channel. */
  readonly isChild: boolean;
  /** Aborted by the first signal to stop: for waits during the start. */
  readonly stopping: AbortSignal;
  /** Starts the service; when the daemon stops it is stopped, the last started first. */
  run(service: Service): Promise<void>;
  /** Ends the daemon from within: gracefully, with this exit code. */
  end(exitCode: number, reason: string): void;
  /** Who hears of the signals that are not about the end of this process, and of reopened logs. */
  onSignal(listener: (meaning: SignalMeaning) => void): void;
  /** Called before a process that does not stop is ended: synchronous, and short. */
  onForce(last: () => void): void;
}

/** Where a program differs from what every daemon does. */
export interface DaemonSettings {
  readonly signals?: SignalTable;
  /** Seconds that a stop may take. */
  readonly patience?: number;
  readonly background?: boolean;
  /** `late`: taken, and opened, only when the program is ready. The command line's win over both. */
  readonly pidFile?: { readonly file: string; readonly late: boolean };
  readonly log?: { readonly file: string; readonly late: boolean };
}

export interface DaemonOptions {
  /** The program, e.g. `galaxy-handler`. */
  readonly name: string;
  readonly arguments: DaemonArguments;
  /** Starts everything, through `context.run`; the daemon is ready when it resolves. */
  main(context: DaemonContext): Promise<void>;
  /** Looks at what the configuration alone does not show, for `check` and before the start. */
  check?(config: GalaxyConfig): Promise<readonly Fault[]> | readonly Fault[];
  /** The signals that any settings may name. */
  readonly signals?: readonly NodeJS.Signals[];
  settings?(config: GalaxyConfig): DaemonSettings;
  /** What must come before the log is opened and the services start, once it is sure that no other process has the pid file. */
  prepare?(config: GalaxyConfig, logFile: string | undefined): Promise<void>;
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
  const isChild = takeMasterMark(process.env);
  const signals = new SignalQueue(options.signals);
  const manager = ServiceManager.take(process.env);
  const parent = waitingParent(process.env);
  const exitCode = await life(options, signals, manager, parent, isChild).catch(async (error: unknown) => {
    const text = failureText(options.name, error);
    // A master says itself what its children could not.
    if (isChild) await tellMaster({ type: "failed", text });
    else process.stderr.write(`${text}\n`);
    parent?.failed(text, 1);
    return 1;
  });
  signals.close();
  process.exitCode = exitCode;
  // The channel to the master would keep the process.
  if (isChild && process.connected) process.disconnect();
  setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
}

async function life(
  options: DaemonOptions,
  signals: SignalQueue,
  manager: ServiceManager,
  parent: ReturnType<typeof waitingParent>,
  isChild: boolean,
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
  const settings = options.settings?.(config) ?? {};
  const patience = settings.patience ?? config.monitorThreadJoinTimeout;
  const background = args.daemonize === true || settings.background === true || parent !== undefined;
  const pidFile =
    args.pidFile ?? settings.pidFile?.file ?? path.join(config.rootDirectory, `${config.serverName}.pid`);
  if (args.stopDaemon === true) {
    return tell(options, await stopDaemon(pidFile, patience * 1000 + STOP_DAEMON_MARGIN_MS));
  }
  const more = (await options.check?.(config)) ?? [];
  if (more.length > 0) throw new FaultsError(config.file ?? "configuration", more);
  if (args._.includes("check")) return reportValid(options, config);

  const log = logOf(options, config, settings, background);
  if (background && parent === undefined) {
    refuseSecond(pidFile);
    signals.remove();
    return tell(options, await startInBackground(log!.file, log!.late));
  }
  const wantsPidFile = background || args.pidFile !== undefined || settings.pidFile !== undefined;
  const isLate = args.pidFile === undefined && settings.pidFile?.late === true;
  if (wantsPidFile) refuseSecond(pidFile);
  let held = wantsPidFile && !isLate ? PidFile.take(pidFile) : undefined;
  try {
    await options.prepare?.(config, log?.file);
    const logger = createLogger({
      level: config.log.level,
      format: config.log.format,
      facts: { server: config.serverName },
      journal: writesToJournal(process.env),
      ...(log === undefined || log.late ? {} : { file: log.file }),
    });
    const daemon = new Daemon({
      name: options.name,
      config,
      logger,
      signals,
      manager,
      table: isChild ? CHILD_SIGNALS : (settings.signals ?? SIGNALS),
      patience,
      isChild,
      onForce: () => held?.release(),
    });
    return await daemon.live(
      (context) => options.main(context),
      () => {
        if (log?.late === true) logger.moveTo(log.file);
        if (wantsPidFile && isLate) held = PidFile.take(pidFile);
        parent?.ready();
      },
    );
  } finally {
    held?.release();
  }
}

/** The log of the command line, else of the configuration, else the program's; in the background there is always one. */
function logOf(
  options: DaemonOptions,
  config: GalaxyConfig,
  settings: DaemonSettings,
  background: boolean,
): DaemonSettings["log"] {
  if (config.log.file !== undefined) return { file: config.log.file, late: false };
  if (options.arguments.logFile === undefined && settings.log !== undefined) return settings.log;
  if (!background) return undefined;
  return { file: path.join(config.rootDirectory, `${config.serverName}.log`), late: false };
}

function refuseSecond(pidFile: string): void {
  const holder = PidFile.holder(pidFile);
  if (holder !== undefined) throw new Error(`already running with pid ${holder.pid} (${pidFile})`);
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
