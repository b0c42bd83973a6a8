import type { Fault } from "../faults.ts";
import type { LogFormat, LogLevel } from "../log.ts";
import type { JobConfig } from "./job-config.ts";
import type { ResourceField } from "./resource-fields.ts";
import type { ListenerAddress, ListenerSpec, TcpAddress, UnixAddress } from "./listener-spec.ts";

/** What a process was configured to do: read once, checked as a whole, deeply frozen, passed down. All paths are absolute. */
export interface GalaxyConfig {
  /** The galaxy.yml; undefined when there is none and everything has its default. */
  readonly file: string | undefined;
  /** What relative paths are relative to (Galaxy's root). */
  readonly rootDirectory: string;
  readonly dataDirectory: string;
  /** Name of this process among its kind; stamped on its jobs. Default `main`. */
  readonly serverName: string;
  readonly attachToPools: readonly string[];
  readonly database:
    | { readonly kind: "embedded"; readonly directory: string }
    | { readonly kind: "server"; readonly url: string };
  /** file_path: the datasets. */
  readonly fileDirectory: string;
  /** job_working_directory. */
  readonly jobWorkingDirectory: string;
  /** new_file_path: uploads in progress. */
  readonly newFileDirectory: string;
  /** tool_path; undefined: the bundled sample tools. */
  readonly toolPaths: readonly string[] | undefined;
  /** Everybody is this user; undefined: people need an API key. */
  readonly singleUser: string | undefined;
  readonly adminUsers: readonly string[];
  readonly bootstrapAdminApiKey: string | undefined;
  readonly idSecret: string | undefined;
  readonly cleanupJob: CleanupJob;
  /** Seconds. */
  readonly jobHandlerMonitorSleep: number;
  /** Seconds. */
  readonly jobRunnerMonitorSleep: number;
  /** Seconds that a stopping process waits for its services. */
  readonly monitorThreadJoinTimeout: number;
  readonly enableJobRecovery: boolean;
  /** handler_lease, seconds: without a sign of life for so long a handler counts as dead. */
  readonly handlerLease: number;
  /** handler_stuck_after, seconds: a handler whose main loop does not move for so long gives no more signs of life. */
  readonly handlerStuckAfter: number;
  /** What becomes of jobs that were given to one handler of a tag, by name, and it is dead: its pool takes them, or they wait. */
  readonly handlerFailover: "pool" | "wait";
  /** What a handler that is stopped does with the local jobs that it watches. */
  readonly handlerStop: "leave" | "wait";
  /** A job is failed when so many handlers died while they prepared it; 0: never. */
  readonly jobPoisonLimit: number;
  /** Seconds. */
  readonly databaseStatementTimeout: number;
  /** Count a user's active jobs once in a step of the handler, not once for each job (galaxy.md 3.7). */
  readonly cacheUserJobCount: boolean;
  /** The rule of every destination that has no `resubmit` (galaxy.md 3.8); in the condition language. */
  readonly defaultJobResubmissionCondition?: string;
  /** Folder of the JavaScript and TypeScript modules with the rules of dynamic destinations; it need not exist. */
  readonly jobRulesDirectory: string;
  /** The fields that groups of `jobs.resources` name, as job_resource_params_file defines them. */
  readonly jobResourceFields: Readonly<Record<string, ResourceField>>;
  /** A file that every job script sources before the destination's own environment. */
  readonly environmentSetupFile?: string;
  /** The proxy in front sends the files of datasets, once we allow it: by which header, and what stands before the path in it. */
  readonly fileHandover?: {
    readonly header: "x-accel-redirect" | "x-sendfile";
    readonly prefix: string;
  };
  readonly maintenance: MaintenanceConfig;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat; readonly file?: string };
  readonly web: WebConfig;
  readonly jobs: JobConfig;
  /** Where `jobs` was read; undefined when it is in galaxy.yml, or nowhere and has its defaults. */
  readonly jobConfigFile: string | undefined;
  /** What was read but has no effect, for the log of the start. */
  readonly warnings: readonly Fault[];
}

/** What is removed, and when; ages in days. */
export interface MaintenanceConfig {
  readonly enabled: boolean;
  /** Jobs that ended longer ago are removed; undefined: none, as in Galaxy. */
  readonly jobDays?: number;
  /** Run directories that cleanup_job keeps are removed after this; undefined: never. */
  readonly directoryDays?: number;
  readonly registrationDays: number;
}

export type CleanupJob = "always" | "onsuccess" | "never";

export interface WebConfig {
  /** The TCP addresses among `listeners`. */
  readonly http: readonly TcpAddress[];
  /** Every listening socket; none where a zerg pool listens. */
  readonly listeners: readonly ListenerSpec[];
  /** Nothing was configured: the one listener is the default one. */
  readonly hasDefaultListener: boolean;
  /** Nobody outside this host gets in, not even through a proxy. */
  readonly onlyLoopback: boolean;
  readonly tree: TreeConfig;
  readonly staticMaps: readonly { readonly mount: string; readonly path: string }[];
  /** static-index: files that stand for a folder, in the order in which they are tried. */
  readonly staticIndex: readonly string[];
  /** Whose X-Forwarded-… headers are believed, besides those of unix sockets; undefined: this host's. */
  readonly trustedProxies?: readonly string[];
  /** buffer-size: bytes of the variables of one request in the uwsgi protocol. */
  readonly uwsgiBufferBytes?: number;
  /** Threads that send static files. */
  readonly offloadThreads: number;
  /** Run in the background (daemonize). */
  readonly background: boolean;
  /** The log of the web tier's processes; `late`: opened when the application has loaded (logto2, daemonize2). */
  readonly log?: { readonly file: string; readonly late: boolean };
  readonly pidFile?: { readonly file: string; readonly late: boolean };
  /** Where statistics are told. */
  readonly stats?: Exclude<ListenerAddress, { fd: number }>;
  /** Bytes of one uploaded file; default 10 GiB. */
  readonly maxUploadBytes: number;
  /** Bytes of a JSON body; default 1 MiB. */
  readonly maxBodyBytes: number;
  /** Requests a minute from one client; 0: no limit. */
  readonly rateLimitPerMinute: number;
}

/** What a signal asks of the master of a web tier. */
export type MasterSignalMeaning =
  | "stop"
  | "stop-at-once"
  | "reload"
  | "reopen-logs"
  | "more-workers"
  | "fewer-workers";

export type WebSignals = Readonly<Partial<Record<NodeJS.Signals, MasterSignalMeaning>>>;

/** The processes of a web tier. */
export interface TreeConfig {
  /** A master owns the sockets and web workers serve; without one a single process does both. */
  readonly hasMaster: boolean;
  /** Web workers. */
  readonly processes: number;
  /** The farms that get jobs. */
  readonly farms: readonly ConfiguredFarm[];
  /** Seconds that a web worker may take to end, before it is killed. */
  readonly workerMercy: number;
  /** The same of a mule. */
  readonly muleMercy: number;
  /** Seconds after which a request kills its worker; 0: never. */
  readonly harakiri: number;
  /** Requests after which a worker is replaced; 0: never. */
  readonly maxRequests: number;
  /** Connections that the kernel holds for each socket. */
  readonly backlog: number;
  readonly signals: WebSignals;
  /** The account that the tree runs under once its sockets are bound: a name or a number. */
  readonly uid?: string;
  readonly gid?: string;
  readonly chdir?: string;
  /** The pool to attach to instead of listening: its control socket. */
  readonly zerg?: string;
  /** This process is a pool. */
  readonly zergPool?: {
    readonly control: UnixAddress;
    readonly addresses: readonly Exclude<ListenerAddress, { fd: number }>[];
  };
}

/** A pool of mules, `job-handlers` or `job-handlers.<tag>`. */
export interface ConfiguredFarm {
  readonly name: string;
  /** Numbers of its mules in their order; the first is `<server name>.<farm>.1` (galaxy.md 1.3). */
  readonly mules: readonly number[];
}

/** Port 0 asks the system for a free one. */
export type HttpAddress = TcpAddress;
