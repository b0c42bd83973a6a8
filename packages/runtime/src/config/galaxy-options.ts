import { hostname } from "node:os";
import { anything, choice, flag, list, number, text, WrongValue } from "./option-kinds.ts";
import type { OptionKind } from "./option-kinds.ts";
import { resubmitCondition } from "./job-config/resubmit.ts";

/**
 * A server name ends up in job.handler, which holds 255 characters, and in file names. `%h` in it is the name of this host, as in
 * uWSGI: containers that one command starts have names of their own.
 */
const serverName: OptionKind<string> = {
  read(raw) {
    const name = text.read(raw).replaceAll("%h", hostname());
    if (/^[A-Za-z0-9_][A-Za-z0-9_.@:+-]{0,254}$/.test(name)) return name;
    throw new WrongValue(
      `"${name}" cannot be a server name`,
      "use letters, digits and . _ @ : + - (at most 255, the first a letter, digit or _)",
    );
  },
};

/** Galaxy's single_user: an e-mail address, or false for none. */
const singleUser: OptionKind<string | false> = {
  read(raw) {
    if (raw === false || raw === "" || (typeof raw === "string" && raw.toLowerCase() === "false"))
      return false;
    if (typeof raw === "string" && isEmail(raw)) return raw;
    throw new WrongValue(
      "expected an e-mail address, or false",
      "write for example single_user: admin@example.org",
    );
  },
};

const apiKey: OptionKind<string> = {
  read(raw) {
    const key = text.read(raw);
    // The value is a secret: the fault does not show it.
    if (/^[\x21-\x7e]{8,}$/.test(key)) return key;
    throw new WrongValue(
      "a key needs at least 8 characters, without spaces",
      "make one with: openssl rand -hex 32",
    );
  },
};

const emails: OptionKind<readonly string[]> = {
  read(raw) {
    const addresses = list.read(raw);
    const wrong = addresses.find((address) => !isEmail(address));
    if (wrong !== undefined) throw new WrongValue(`expected e-mail addresses, got "${wrong}"`);
    return addresses;
  },
};

const days = number({ min: 0, max: 36_500, unit: "days" });
/** A location of nginx, e.g. `/_x_accel_redirect`; the path of a file is put behind it. */
const locationPrefix: OptionKind<string> = {
  read(raw) {
    const prefix = text.read(raw).replace(/\/+$/, "");
    if (/^(\/[\w.~-]+)+$/.test(prefix)) return prefix;
    throw new WrongValue(
      `expected the path of a location, got ${JSON.stringify(raw)}`,
      "write for example /_x_accel_redirect",
    );
  },
};

const seconds = number({ min: 0, max: 86_400, unit: "seconds" });

/** The options of the section `galaxy:` that have an effect, by Galaxy's names (galaxy.md 1.6, 3.10) and a few of ours. */
export const GALAXY_OPTIONS = {
  galaxy_root: text,
  config_dir: text,
  data_dir: text,
  server_name: serverName,
  attach_to_pools: list,
  database_connection: text,
  file_path: text,
  job_working_directory: text,
  new_file_path: text,
  tool_path: list,
  single_user: singleUser,
  admin_users: emails,
  bootstrap_admin_api_key: apiKey,
  /** The name of bootstrap_admin_api_key before 20.09. */
  master_api_key: apiKey,
  id_secret: text,
  cleanup_job: choice(["always", "onsuccess", "never"]),
  job_handler_monitor_sleep: number({ min: 0.01, max: 3600, unit: "seconds" }),
  job_runner_monitor_sleep: number({ min: 0.01, max: 3600, unit: "seconds" }),
  monitor_thread_join_timeout: seconds,
  enable_job_recovery: flag,
  /** Ours, this and the next four: leases of handlers and what becomes of a dead one's jobs (docs/recovery.md). */
  handler_lease: number({ min: 0.5, max: 3600, unit: "seconds" }),
  handler_stuck_after: number({ min: 0.5, max: 86_400, unit: "seconds" }),
  handler_failover: choice(["pool", "wait"]),
  handler_stop: choice(["leave", "wait"]),
  job_poison_limit: number({ min: 0, max: 1000, whole: true }),
  /** Ours: the server cancels a longer statement. */
  database_statement_timeout: number({ min: 1, max: 86_400, unit: "seconds" }),
  track_jobs_in_database: flag,
  cache_user_job_count: flag,
  default_job_resubmission_condition: resubmitCondition,
  environment_setup_file: text,
  /** Ours: whether this instance's processes look after it. */
  maintenance: flag,
  /** Ours: days that ended jobs are kept. */
  job_retention_days: days,
  /** Ours: days that the run directories that cleanup_job keeps are kept. */
  job_directory_retention_days: days,
  /** Ours: days that ended handler processes are remembered. */
  handler_history_days: number({ min: 1, max: 36_500, unit: "days" }),
  /** Ours: the folder of the rule modules of dynamic destinations. */
  job_rules_directory: text,
  job_resource_params_file: text,
  nginx_x_accel_redirect_base: locationPrefix,
  apache_xsendfile: flag,
  log_level: choice(["debug", "info", "warn", "error"], {
    trace: "debug",
    notset: "debug",
    warning: "warn",
    critical: "error",
  }),
  /** `stdout` (Galaxy's default; here standard error) or a file. */
  log_destination: text,
  /** Ours: text or json. */
  log_format: choice(["text", "json"]),
  job_config: anything,
  job_config_file: text,
} satisfies Record<string, OptionKind<unknown>>;

export type GalaxyOptionName = keyof typeof GALAXY_OPTIONS;

/** What was given; what was not, or had a fault, is absent. */
export type GalaxyOptionValues = {
  -readonly [Name in GalaxyOptionName]?: ReturnType<(typeof GALAXY_OPTIONS)[Name]["read"]>;
};

function isEmail(address: string): boolean {
  return address.length <= 255 && /^[^\s@,]+@[^\s@,]+$/.test(address);
}
