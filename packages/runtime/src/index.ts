export { FaultsError, didYouMean, dottedPath, formatFault, suggestion } from "./faults.ts";
export type { Fault } from "./faults.ts";
export { parseYaml } from "./yaml-document.ts";
export type { DocumentPath, Position, PositionedDocument } from "./yaml-document.ts";
export { zodFaults } from "./zod-faults.ts";

export type { Service } from "./service.ts";
export { Loop } from "./loop.ts";
export { ServiceGroup } from "./service-group.ts";

export { createLogger, silentLogger } from "./log.ts";
export type { Facts, LogFormat, Logger, LoggerOptions, LogLevel } from "./log.ts";

export { loadGalaxyConfig } from "./config/load-galaxy-config.ts";
export type { LoadOptions } from "./config/load-galaxy-config.ts";
export { GALAXY_OPTIONS } from "./config/galaxy-options.ts";
export { describeConfig } from "./config/describe-config.ts";
export type {
  CleanupJob,
  ConfiguredFarm,
  GalaxyConfig,
  HttpAddress,
  MasterSignalMeaning,
  TreeConfig,
  WebConfig,
  WebSignals,
} from "./config/galaxy-config.ts";
export type {
  AssignmentMethodName,
  Destination,
  DestinationLimit,
  EnvironmentEntry,
  HandlerDefinition,
  JobConfig,
  JobLimits,
  ResourceGroups,
  ResubmitRule,
  RunnerConfig,
  ToolClass,
  ToolMapping,
} from "./config/job-config.ts";
export { readDestinationSettings } from "./config/destination-settings.ts";
export type { DestinationSettings } from "./config/destination-settings.ts";
export { isSlurmRunner, readSlurmSettings } from "./config/slurm/slurm-settings.ts";
export type { RemoteShell, SlurmSettings } from "./config/slurm/slurm-settings.ts";
export type { SbatchOption } from "./config/slurm/sbatch-options.ts";
export { readDynamicRule } from "./config/dynamic-rule.ts";
export type { BurstState, DynamicRule, HashKey, RuleFault } from "./config/dynamic-rule.ts";
export type { ResourceField } from "./config/resource-fields.ts";
export { DEFAULT_JOB_CONFIG } from "./config/job-config.ts";
export { evaluateResubmitExpression, holds, type FailureFacts } from "./resubmit-expression/evaluate.ts";
export { parseResubmitExpression, ResubmitExpressionError } from "./resubmit-expression/parse.ts";
export { isLoopback } from "./config/web-listeners.ts";
export { MASTER_SIGNALS } from "./config/web-tree.ts";
export { shownAddress } from "./config/listener-spec.ts";
export type {
  ListenerAddress,
  ListenerProtocol,
  ListenerSpec,
  TcpAddress,
  UnixAddress,
} from "./config/listener-spec.ts";

export { parseDatabaseConnection } from "./database-connection.ts";
export type { DatabaseConnection } from "./database-connection.ts";
export { ensureEmbeddedDatabase } from "./embedded-postgres/embedded-database.ts";
export type { EmbeddedDatabase } from "./embedded-postgres/embedded-database.ts";
export { untilReady } from "./until-ready.ts";
export type { UntilReadyOptions } from "./until-ready.ts";
export { bootId, isAlive, ownIdentity, processStartTime } from "./process/process-identity.ts";
export type { ProcessIdentity } from "./process/process-identity.ts";
export { locateDatabase } from "./locate-database.ts";
export type { LocatedDatabase } from "./locate-database.ts";
export { PidFile } from "./process/pid-file.ts";
export { CHILD_SIGNALS, SIGNALS, SignalQueue } from "./process/signal-queue.ts";
export type { KnownSignal, SignalMeaning, SignalTable } from "./process/signal-queue.ts";
export { childMark, tellMaster } from "./process/master-channel.ts";
export { readJsonLines, writeJsonLine } from "./process/json-lines.ts";
export { dropPrivileges, findAccount, findGroup, findUserId } from "./process/privileges.ts";
export type { Account } from "./process/privileges.ts";
export { commandLine, daemonOptions, findConfigFile, poolOption } from "./process/daemon-options.ts";
export type { DaemonArguments } from "./process/daemon-options.ts";
export { runDaemon } from "./process/run-daemon.ts";
export type { DaemonContext, DaemonOptions, DaemonSettings } from "./process/run-daemon.ts";
export { isPlainPath } from "./plain-path.ts";
export { Farm, isFarmEnvelope, isFarmReceipt } from "./process/farm.ts";
export type { FarmEnvelope, FarmMember, FarmReceipt } from "./process/farm.ts";
export { askSocket, controlSocketPath } from "./process/ask-socket.ts";
