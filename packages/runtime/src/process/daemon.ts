import type { GalaxyConfig } from "../config/galaxy-config.ts";
import { formatFault } from "../faults.ts";
import type { Logger } from "../log.ts";
import type { Service } from "../service.ts";
import { ownIdentity } from "./process-identity.ts";
import type { DaemonContext } from "./run-daemon.ts";
import type { ServiceManager } from "./service-manager.ts";
import type { KnownSignal, SignalMeaning, SignalQueue, SignalTable } from "./signal-queue.ts";
import os from "node:os";

/** Why a daemon ends: a signal (128 + its number, if it must be forced), or a reason from within with its exit code. */
type End = { readonly signal: KnownSignal } | { readonly exitCode: number; readonly reason: string };

/** The running part of a daemon: from the first service's start to the last one's stop. */
export class Daemon {
  readonly #name: string;
  readonly #config: GalaxyConfig;
  readonly #logger: Logger;
  readonly #signals: SignalQueue;
  readonly #manager: ServiceManager;
  readonly #table: SignalTable;
  readonly #patience: number;
  readonly #isChild: boolean;
  readonly #onForce: (() => void)[];
  #onSignal: (meaning: SignalMeaning) => void = () => undefined;
  readonly #started: Service[] = [];
  readonly #stopping = new AbortController();
  #tellEnd: (end: End) => void = () => undefined;
  #tellHurry: () => void = () => undefined;
  readonly #end = new Promise<End>((resolve) => (this.#tellEnd = resolve));
  readonly #hurry = new Promise<void>((resolve) => (this.#tellHurry = resolve));

  constructor(parts: {
    name: string;
    config: GalaxyConfig;
    logger: Logger;
    signals: SignalQueue;
    manager: ServiceManager;
    table: SignalTable;
    /** Seconds that a stop may take. */
    patience: number;
    isChild: boolean;
    /** The last thing before a process that does not stop is ended. */
    onForce: () => void;
  }) {
    this.#name = parts.name;
    this.#config = parts.config;
    this.#logger = parts.logger;
    this.#signals = parts.signals;
    this.#manager = parts.manager;
    this.#table = parts.table;
    this.#patience = parts.patience;
    this.#isChild = parts.isChild;
    this.#onForce = [parts.onForce];
  }

  /** @returns the exit code. @throws what `main` threw, after what it had started was stopped */
  async live(main: (context: DaemonContext) => Promise<void>, onReady: () => void): Promise<number> {
    const identity = ownIdentity();
    this.#logger.info("daemon.starting", { program: this.#name, ...identity, config: this.#config.file });
    for (const warning of this.#config.warnings)
      this.#logger.warn("config.warning", { text: formatFault(warning) });
    this.#manager.onFault((error) => this.#logger.warn("daemon.service_manager_not_told", { error }));
    void this.#manager.status("starting");
    void this.#readSignals();
    const removeGuards = this.#guardAgainstStrayErrors();
    const starting = main({
      config: this.#config,
      logger: this.#logger,
      identity,
      isChild: this.#isChild,
      stopping: this.#stopping.signal,
      onSignal: (listener) => (this.#onSignal = listener),
      onForce: (last) => this.#onForce.unshift(last),
      run: (service) => this.#run(service),
      end: (exitCode, reason) => this.#tellEnd({ exitCode, reason }),
    });
    let failure: unknown;
    const started = starting.then(
      () => true,
      (error: unknown) => {
        failure = error;
        return false;
      },
    );
    try {
      const first = await Promise.race([started, this.#end]);
      if (first === true) {
        onReady();
        this.#logger.info("daemon.ready");
        void this.#manager.ready(this.#readyStatus());
      }
      if (first === false) this.#logger.error("daemon.start_failed", { error: failure });
      const end: End = first === false ? { exitCode: 1, reason: "start failed" } : await this.#end;
      await this.#stopAll(end, started);
      if (first === false) throw failure;
      return "signal" in end ? 0 : end.exitCode;
    } finally {
      removeGuards();
      await this.#manager.close();
      await this.#logger.close();
    }
  }

  async #run(service: Service): Promise<void> {
    this.#stopping.signal.throwIfAborted();
    // On the list before it has started: a stop that comes meanwhile reaches it (its stop waits for its start).
    this.#started.push(service);
    await service.start();
    this.#logger.debug("service.started", { service: service.name });
  }

  async #readSignals(): Promise<void> {
    for (let signal = await this.#signals.next(); signal !== undefined; signal = await this.#signals.next())
      this.#act(signal, this.#table[signal] ?? "ignore");
  }

  #act(signal: KnownSignal, meaning: SignalMeaning): void {
    const again = this.#stopping.signal.aborted;
    switch (meaning) {
      case "ignore":
        return;
      case "stop-gracefully":
      case "stop":
        if (again && meaning === "stop") this.#tellHurry();
        this.#stopping.abort();
        this.#tellEnd({ signal });
        return;
      case "stop-at-once":
        this.#stopping.abort();
        this.#tellEnd({ signal });
        this.#tellHurry();
        return;
      case "reopen-logs":
        void this.#manager.reloading();
        this.#logger.reopen();
        this.#logger.info("log.reopened", { signal });
        if (!again) void this.#manager.ready(this.#readyStatus());
        this.#onSignal(meaning);
        return;
      case "reload":
      case "more-workers":
      case "fewer-workers":
        this.#onSignal(meaning);
    }
  }

  /** Stops everything, last started first, within the time allowed; a second signal ends the patience at once. */
  async #stopAll(end: End, started: Promise<boolean>): Promise<void> {
    this.#stopping.abort();
    void this.#manager.stopping("stopping");
    this.#logger.info("daemon.stopping", { ...end, timeout: this.#patience });
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<"forced">((resolve) => {
      timer = setTimeout(() => resolve("forced"), this.#patience * 1000);
      void this.#hurry.then(() => resolve("forced"));
    });
    const outcome = await Promise.race([this.#stopServices(started), patience]);
    clearTimeout(timer);
    if (outcome === "forced") await this.#force(end);
    this.#logger.info("daemon.stopped");
  }

  async #stopServices(started: Promise<boolean>): Promise<void> {
    // Those that are started can stop while main, which has been told, still waits for something.
    for (;;) {
      const service = this.#started.pop();
      if (service === undefined) {
        await started;
        if (this.#started.length === 0) return;
        continue;
      }
      try {
        await service.stop();
        this.#logger.debug("service.stopped", { service: service.name });
      } catch (error) {
        this.#logger.error("service.stop_failed", { service: service.name, error });
      }
    }
  }

  async #force(end: End): Promise<never> {
    const exitCode = "signal" in end ? 128 + os.constants.signals[end.signal] : end.exitCode || 1;
    const left = this.#started.map((service) => service.name);
    this.#logger.error("daemon.forced", { exitCode, notStopped: left });
    await Promise.race([this.#logger.close(), new Promise((resolve) => setTimeout(resolve, 500))]);
    for (const last of this.#onForce) last();
    process.exit(exitCode);
  }

  #readyStatus(): string {
    const pools = this.#config.attachToPools;
    return `ready: ${this.#config.serverName}${pools.length === 0 ? "" : ` in ${pools.join(", ")}`}`;
  }

  /** An error that nobody caught leaves the process in an unknown state: it is logged and the daemon ends, gracefully. */
  #guardAgainstStrayErrors(): () => void {
    const end = (error: unknown): void => {
      this.#logger.error("daemon.uncaught_error", { error });
      this.#tellEnd({ exitCode: 1, reason: "an error that nobody caught" });
    };
    process.on("uncaughtException", end);
    process.on("unhandledRejection", end);
    return () => {
      process.off("uncaughtException", end);
      process.off("unhandledRejection", end);
    };
  }
}
