import fs from "node:fs";
import path from "node:path";
import yargs from "yargs";
import type { Argv } from "yargs";
import { suggestion } from "../faults.ts";
import type { LogFormat, LogLevel } from "../log.ts";

/** What every daemon's command line has (galaxy.md 1.6). */
export interface DaemonArguments {
  readonly configFile?: string | undefined;
  readonly serverName?: string | undefined;
  readonly attachToPool?: readonly string[] | undefined;
  readonly daemonize?: boolean | undefined;
  readonly pidFile?: string | undefined;
  readonly logFile?: string | undefined;
  readonly logLevel?: LogLevel | undefined;
  readonly logFormat?: LogFormat | undefined;
  readonly stopDaemon?: boolean | undefined;
  readonly _: readonly (string | number)[];
}

/** A strict parser: what it does not know is an error, with a suggestion, and exit code 2. */
export function commandLine(name: string, args: readonly string[]): Argv {
  const parser = yargs([...args])
    .scriptName(name)
    .parserConfiguration({
      "camel-case-expansion": true,
      "strip-aliased": true,
      "duplicate-arguments-array": false,
    })
    .strict()
    .alias("help", "h")
    .wrap(Math.min(110, process.stdout.columns ?? 110));
  return parser.fail((message: string | null, error: Error | undefined) => {
    if (error !== undefined) throw error;
    process.stderr.write(`${name}: ${withSuggestions(message ?? "wrong usage", parser)}\n`);
    process.stderr.write(`Try ${name} --help.\n`);
    process.exit(2);
  });
}

/** Adds the options that the daemons share, and `check`. */
export function daemonOptions<T>(parser: Argv<T>): Argv<T & DaemonArguments> {
  const shared = parser
    .command("$0", false)
    .command("check", "Check the configuration and exit: 0 if it is right, else 1 with every fault listed")
    .option("config-file", {
      alias: "c",
      type: "string",
      requiresArg: true,
      describe:
        "The galaxy.yml (default: $GALAXY_CONFIG_FILE, config/galaxy.yml or galaxy.yml here; else all defaults)",
    })
    .option("server-name", {
      type: "string",
      requiresArg: true,
      describe:
        "Name of this process; must be its own among all of one database; %h is the host's name (default: main)",
    })
    .option("daemonize", {
      alias: ["d", "daemon"],
      type: "boolean",
      describe: "Run in the background; returns when it is ready, or has failed",
    })
    .option("pid-file", {
      type: "string",
      requiresArg: true,
      describe: "Write the pid here (with --daemonize by default SERVER_NAME.pid in the root folder)",
    })
    .option("log-file", {
      type: "string",
      requiresArg: true,
      describe:
        "Append the log here instead of standard error; reopened on SIGUSR1 and SIGHUP " +
        "(with --daemonize by default SERVER_NAME.log in the root folder)",
    })
    .option("log-level", { choices: ["debug", "info", "warn", "error"] as const, describe: "Default: info" })
    .option("log-format", { choices: ["text", "json"] as const, describe: "Default: text" })
    .option("stop-daemon", {
      type: "boolean",
      describe: "Stop the process that the pid file names, wait until it has ended, and exit",
    })
    .epilog(
      "Signals: TERM and INT stop gracefully, a second one at once; HUP and USR1 reopen the log file.\n" +
        "Exit status: 0 stopped as asked, 1 could not start or failed, 2 wrong usage, 128+n forced to end by signal n.",
    );
  return shared as unknown as Argv<T & DaemonArguments>;
}

/** `--attach-to-pool`, for those who handle jobs. */
export function poolOption<T>(parser: Argv<T>): Argv<T> {
  return parser.option("attach-to-pool", {
    type: "string",
    array: true,
    nargs: 1,
    describe: "Take jobs of this pool, e.g. job-handlers or job-handlers.TAG; may be repeated",
  }) as unknown as Argv<T>;
}

/** The galaxy.yml to use: the one asked for, else the usual places; undefined: there is none. */
export function findConfigFile(
  asked: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (asked !== undefined) return asked;
  if (env["GALAXY_CONFIG_FILE"]) return env["GALAXY_CONFIG_FILE"];
  return [path.join("config", "galaxy.yml"), "galaxy.yml"].find((file) => fs.existsSync(file));
}

/** "Unknown argument: sever-name" → … ; did you mean --server-name? */
function withSuggestions(message: string, parser: Argv): string {
  const unknown = /^Unknown (?:argument|command)s?: (.*)$/.exec(message)?.[1];
  if (unknown === undefined) return message;
  const { key } = (parser as unknown as { getOptions(): { key: Record<string, unknown> } }).getOptions();
  const options = Object.keys(key).filter((option) => option.length > 2);
  // yargs names an unknown --some-flag twice, the second time as someFlag.
  const words = [
    ...new Set(
      unknown.split(", ").map((word) => word.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)),
    ),
  ];
  return words
    .map((word) => {
      const remedy = suggestion(word, [...options, "check"]).remedy;
      const flag = remedy === undefined ? "" : `; ${remedy.replace(/mean (?!check)/, "mean --")}`;
      return `unknown argument ${word}${flag}`;
    })
    .join("\n");
}
