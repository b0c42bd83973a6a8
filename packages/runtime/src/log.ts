import { createLogger as createWinstonLogger, format } from "winston";
import { LogSink } from "./log-sink.ts";
import { journalLine, jsonLine, plainFacts, textLine } from "./log-line.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFormat = "text" | "json";
export type Facts = Record<string, unknown>;

/**
 * Takes named events with facts, e.g. `logger.info("job.finished", { job: 7, exitCode: 0 })`, and writes each as one
 * line. Facts named like a secret (`…password…`, `…api_key…`, `…token…`) are masked, and so are passwords in URLs.
 */
export interface Logger {
  debug(event: string, facts?: Facts): void;
  info(event: string, facts?: Facts): void;
  warn(event: string, facts?: Facts): void;
  error(event: string, facts?: Facts): void;
  /** A logger that adds these facts to every event. */
  child(facts: Facts): Logger;
  /** Resolves when everything is written. Closes the file of the whole family. */
  close(): Promise<void>;
  /** Opens the log file anew: for log rotation, after the old file was renamed. */
  reopen(): void;
  /** From now on to this file: for a log that is opened only when the program has loaded. @throws when it cannot be opened */
  moveTo(file: string): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Absent: standard error. */
  readonly file?: string;
  /** Standard error is systemd's journal: lines begin with their priority, and without the time, which it adds itself. */
  readonly journal?: boolean;
  /** Added to every event. */
  readonly facts?: Facts;
}

const levels: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

/** @throws an Error that names the file if the log file cannot be opened */
export function createLogger(options: LoggerOptions): Logger {
  const sink = new LogSink(options.file);
  const line = options.format === "json" ? jsonLine : textLine;
  const winston = createWinstonLogger({
    levels,
    level: options.level,
    // `facts` are made plain at the moment of the event: what happens to an object later does not change its line.
    format: format.printf((entry) => {
      const text = line(String(entry["time"]), entry.level, String(entry.message), entry["facts"] as Facts);
      return options.journal === true && sink.isStandardError ? journalLine(entry.level, text) : text;
    }),
    transports: [sink],
  });

  function log(level: LogLevel, event: string, inherited: Facts, facts: Facts = {}): void {
    if (levels[level] > levels[options.level]) return;
    winston.log({
      level,
      message: event,
      time: new Date().toISOString(),
      facts: plainFacts({ ...inherited, ...facts }, options.format),
    });
  }

  function family(inherited: Facts): Logger {
    return {
      debug: (event, facts) => log("debug", event, inherited, facts),
      info: (event, facts) => log("info", event, inherited, facts),
      warn: (event, facts) => log("warn", event, inherited, facts),
      error: (event, facts) => log("error", event, inherited, facts),
      child: (facts) => family({ ...inherited, ...facts }),
      reopen: () => sink.reopen(),
      moveTo: (file) => sink.moveTo(file),
      close: () => close(),
    };
  }

  let closed: Promise<void> | undefined;
  function close(): Promise<void> {
    closed ??= new Promise((resolve) => {
      sink.once("finish", () => {
        sink.shut();
        resolve();
      });
      winston.end();
    });
    return closed;
  }

  return family(options.facts ?? {});
}

/** A logger that writes nothing: for library callers and tests. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
  close: () => Promise.resolve(),
  reopen: () => undefined,
  moveTo: () => undefined,
};
