import fs from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parseDatabaseConnection } from "../database-connection.ts";
import { FaultsError, shownValue, suggestion } from "../faults.ts";
import type { Fault } from "../faults.ts";
import { isPlainPath } from "../plain-path.ts";
import { parseYaml, type DocumentPath } from "../yaml-document.ts";
import { resolvePaths, type ConfigPaths } from "./config-paths.ts";
import { isMapping, readConfigFile } from "./config-source.ts";
import type { ConfigSource } from "./config-source.ts";
import type { GalaxyConfig, HttpAddress, WebConfig } from "./galaxy-config.ts";
import type { GalaxyOptionValues } from "./galaxy-options.ts";
import { DEFAULT_JOB_CONFIG } from "./job-config.ts";
import { loadJobConfig } from "./load-job-config.ts";
import { readGalaxyOptions } from "./option-values.ts";
import type { ReadOptions } from "./option-values.ts";
import { readResourceFields } from "./resource-fields.ts";
import { shownAddress } from "./listener-spec.ts";
import { readWebConfig, WEB_SECTIONS } from "./web-config.ts";
import { isLoopback } from "./web-listeners.ts";

/** Who everybody is on an embedded database, unless configured. */
const IMPLICIT_SINGLE_USER = "admin@localhost.localdomain";
/** Sections that belong to other programs (Gravity, Galaxy's reports and tool shed). */
const OTHER_SECTIONS = ["gravity", "reports", "tool_shed", "version"];

export interface LoadOptions {
  /** The galaxy.yml, relative to the current folder; undefined: every option has its default. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The following are what the command line said; each wins over file and environment. */
  readonly serverName?: string | undefined;
  readonly attachToPools?: readonly string[] | undefined;
  readonly logFile?: string | undefined;
  readonly logLevel?: GalaxyConfig["log"]["level"] | undefined;
  readonly logFormat?: GalaxyConfig["log"]["format"] | undefined;
  readonly http?: readonly HttpAddress[] | undefined;
}

/**
 * Reads and checks galaxy.yml, the job_conf it names, and the environment. The result is deeply frozen.
 *
 * @throws FaultsError with every fault that was found
 */
export function loadGalaxyConfig(options: LoadOptions): GalaxyConfig {
  const faults: Fault[] = [];
  const warnings: Fault[] = [];
  const report = (fault: Fault): void => addOnce(faults, fault);
  const warn = (fault: Fault): void => addOnce(warnings, fault);

  const file = options.file === undefined ? undefined : path.resolve(options.file);
  const source = file === undefined ? undefined : readGalaxyFile(file, options.file ?? file, report, warn);
  const unreadable = file !== undefined && source === undefined;
  const read = readGalaxyOptions(source, commandLineFirst(options), report, warn);
  const { values } = read;
  const paths = resolvePaths(file, values);
  const web = readWebConfig(source, options.http, paths.rootDirectory, warn);
  const {
    jobs,
    file: jobConfigFile,
    askedOptions,
  } = unreadable
    ? { jobs: DEFAULT_JOB_CONFIG, file: undefined, askedOptions: new Set<string>() }
    : loadJobConfig({ source, paths, options: read, env: options.env, report, warn });
  for (const [name, fault] of read.unknown) if (!askedOptions.has(name)) report(fault);
  const jobResourceFields = fieldsOf(paths.jobResourceParamsFile, read, report);
  if (!unreadable) checkPlainPaths(paths, read, report);
  const database = readDatabase(read, path.join(paths.dataDirectory, "postgres"), report);
  const singleUser = readSingleUser(values, database.kind);
  if (!unreadable) checkExposure(values, singleUser, web, source, report);

  if (faults.length > 0) throw new FaultsError(options.file ?? "configuration", inFileOrder(faults));
  const logFile = options.logFile ?? logDestination(values);
  return deepFreeze<GalaxyConfig>({
    file,
    rootDirectory: paths.rootDirectory,
    dataDirectory: paths.dataDirectory,
    serverName: values.server_name ?? "main",
    attachToPools: [...(options.attachToPools ?? values.attach_to_pools ?? [])],
    database,
    fileDirectory: paths.fileDirectory,
    jobWorkingDirectory: paths.jobWorkingDirectory,
    newFileDirectory: paths.newFileDirectory,
    toolPaths: values.tool_path?.map((toolPath) => path.resolve(paths.rootDirectory, toolPath)),
    singleUser,
    adminUsers: values.admin_users ?? (values.single_user === undefined && singleUser ? [singleUser] : []),
    bootstrapAdminApiKey: readBootstrapKey(values),
    idSecret: values.id_secret,
    cleanupJob: values.cleanup_job ?? "always",
    jobHandlerMonitorSleep: values.job_handler_monitor_sleep ?? 1,
    jobRunnerMonitorSleep: values.job_runner_monitor_sleep ?? 1,
    monitorThreadJoinTimeout: values.monitor_thread_join_timeout ?? 30,
    enableJobRecovery: values.enable_job_recovery ?? true,
    handlerLease: values.handler_lease ?? 15,
    handlerStuckAfter: values.handler_stuck_after ?? 60,
    handlerFailover: values.handler_failover ?? "pool",
    handlerStop: values.handler_stop ?? "leave",
    jobPoisonLimit: values.job_poison_limit ?? 3,
    databaseStatementTimeout: values.database_statement_timeout ?? 60,
    cacheUserJobCount: values.cache_user_job_count ?? false,
    ...(values.default_job_resubmission_condition === undefined
      ? {}
      : { defaultJobResubmissionCondition: values.default_job_resubmission_condition }),
    jobRulesDirectory: paths.jobRulesDirectory,
    jobResourceFields,
    ...(values.environment_setup_file === undefined
      ? {}
      : { environmentSetupFile: path.resolve(paths.rootDirectory, values.environment_setup_file) }),
    ...readHandover(values),
    maintenance: readMaintenance(values),
    log: {
      level: options.logLevel ?? values.log_level ?? "info",
      format: options.logFormat ?? values.log_format ?? "text",
      ...(logFile === undefined
        ? {}
        : { file: path.resolve(options.logFile === undefined ? paths.rootDirectory : ".", logFile) }),
    },
    web,
    jobs,
    jobConfigFile,
    warnings,
  });
}

/** What is read for two purposes is found wrong twice. */
function addOnce(faults: Fault[], fault: Fault): void {
  if (!faults.some((known) => isDeepStrictEqual(known, fault))) faults.push(fault);
}

function fieldsOf(file: string, read: ReadOptions, report: (fault: Fault) => void) {
  if (fs.existsSync(file)) return readResourceFields(file, report);
  if (read.values.job_resource_params_file !== undefined)
    report(read.fault("job_resource_params_file", `there is no file ${file}`));
  return {};
}

function readGalaxyFile(
  file: string,
  shown: string,
  report: (fault: Fault) => void,
  warn: (fault: Fault) => void,
): ConfigSource | undefined {
  // uWSGI's own reader takes a key as often as it is written.
  const repeatable = (at: DocumentPath): boolean =>
    at.length === 1 && WEB_SECTIONS.some((section) => section === at[0]);
  const source = readConfigFile(file, shown, report, (text) => parseYaml(text, shown, { repeatable }));
  if (source === undefined) return undefined;
  const content = source.document.value;
  if (content === null || content === undefined) return source;
  if (!isMapping(content)) {
    source.fault([], "expected a map with the section galaxy:", "indent the options under galaxy:");
    return source;
  }
  const sections = ["galaxy", ...WEB_SECTIONS];
  for (const key of Object.keys(content)) {
    if (OTHER_SECTIONS.includes(key)) warn(source.describe([key], "this section is not used"));
    else if (!sections.includes(key))
      source.fault([key], "unknown section", suggestion(key, sections).remedy);
  }
  return source;
}

/** A server name from the command line is an override like any other, and checked like one. */
function commandLineFirst(options: LoadOptions): LoadOptions["env"] {
  if (options.serverName === undefined) return options.env;
  return { ...options.env, GALAXY_CONFIG_OVERRIDE_SERVER_NAME: options.serverName };
}

/** Tools' commands join the paths they are given unquoted, so these must be words of a shell as they are. */
function checkPlainPaths(paths: ConfigPaths, options: ReadOptions, report: (fault: Fault) => void): void {
  const checked = [
    ["file_path", paths.fileDirectory],
    ["job_working_directory", paths.jobWorkingDirectory],
    ["new_file_path", paths.newFileDirectory],
  ] as const;
  for (const [option, directory] of checked) {
    if (isPlainPath(directory)) continue;
    report(
      options.fault(
        option,
        `the path ${shownValue(directory)} has characters that a shell does not take as they are`,
        `set ${option} to a path of letters, digits and _ @ % + = : , . / - only`,
      ),
    );
  }
}

function readDatabase(
  options: ReadOptions,
  embeddedDirectory: string,
  report: (fault: Fault) => void,
): GalaxyConfig["database"] {
  const url = options.values.database_connection;
  if (url === undefined || url === "") return { kind: "embedded", directory: embeddedDirectory };
  try {
    parseDatabaseConnection(url);
  } catch (error) {
    report(options.fault("database_connection", error instanceof Error ? error.message : String(error)));
  }
  return { kind: "server", url };
}

function readSingleUser(values: GalaxyOptionValues, database: "embedded" | "server"): string | undefined {
  if (values.single_user === false) return undefined;
  return values.single_user ?? (database === "embedded" ? IMPLICIT_SINGLE_USER : undefined);
}

/** Whoever reaches an address becomes the single user, an administrator. That must be somebody's decision. */
function checkExposure(
  values: GalaxyOptionValues,
  singleUser: string | undefined,
  web: WebConfig,
  source: ConfigSource | undefined,
  report: (fault: Fault) => void,
): void {
  const { zerg, zergPool } = web.tree;
  const addresses = [
    ...web.listeners.map(({ address }) => address),
    ...(zergPool?.addresses ?? []),
    // Where its pool listens is not known here.
    ...(zerg === undefined ? [] : [{ path: zerg }]),
  ];
  const open = addresses.find((address) => !("host" in address && isLoopback(address.host)));
  if (singleUser === undefined || values.single_user !== undefined || open === undefined) return;
  const section = WEB_SECTIONS.find((name) => {
    const content = isMapping(source?.document.value) ? source.document.value[name] : undefined;
    return isMapping(content) && Object.keys(content).some((key) => /http|socket|zerg/.test(key));
  });
  const message = `everybody who reaches ${shownAddress(open)} would be the administrator ${singleUser}`;
  const remedy =
    "listen on 127.0.0.1, or set single_user: false and bootstrap_admin_api_key so that people need a key, " +
    "or set single_user: to an address if that is what you want";
  if (source !== undefined && section !== undefined) source.fault([section, "http"], message, remedy);
  else report({ key: "web.http", message, remedy });
}

function readMaintenance(values: GalaxyOptionValues): GalaxyConfig["maintenance"] {
  const { job_retention_days: jobDays, job_directory_retention_days: directoryDays } = values;
  return {
    enabled: values.maintenance ?? true,
    ...(jobDays === undefined ? {} : { jobDays }),
    ...(directoryDays === undefined ? {} : { directoryDays }),
    registrationDays: values.handler_history_days ?? 30,
  };
}

/** nginx's option wins over Apache's, as in Galaxy. */
function readHandover(values: GalaxyOptionValues): Pick<GalaxyConfig, "fileHandover"> {
  const { nginx_x_accel_redirect_base: prefix, apache_xsendfile: isApache = false } = values;
  if (prefix !== undefined) return { fileHandover: { header: "x-accel-redirect", prefix } };
  return isApache ? { fileHandover: { header: "x-sendfile", prefix: "" } } : {};
}

function readBootstrapKey(values: GalaxyOptionValues): string | undefined {
  return values.bootstrap_admin_api_key ?? values.master_api_key;
}

function logDestination(values: GalaxyOptionValues): string | undefined {
  const destination = values.log_destination;
  return destination === undefined || ["", "stdout", "stderr"].includes(destination)
    ? undefined
    : destination;
}

function inFileOrder(faults: readonly Fault[]): Fault[] {
  return faults.toSorted((a, b) =>
    a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0) : 0,
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
