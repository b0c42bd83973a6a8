/** job_conf: who handles jobs, and where and by what they are run (galaxy.md section 3). Read from XML or YAML alike. */
export interface JobConfig {
  /** handling.assign, in the order to be tried; undefined: not configured. */
  readonly assign: readonly AssignmentMethodName[] | undefined;
  /** Most jobs that one grab takes; undefined: no limit. */
  readonly maxGrab?: number;
  /** Jobs of one user that a handler looks at in one step (galaxy.md 4.5). */
  readonly readyWindowSize: number;
  /** handling.processes, in the order of the document. */
  readonly handlers: readonly HandlerDefinition[];
  /** handling.default: a handler id or a tag. */
  readonly defaultHandler?: string;
  /** Without those that are not enabled. */
  readonly runners: Readonly<Record<string, RunnerConfig>>;
  /** The execution environments, without those that are not enabled. Ids and tags share one name space (galaxy.md 3.5). */
  readonly destinations: Readonly<Record<string, Destination>>;
  /** Id or tag of destinations. */
  readonly defaultDestination: string;
  readonly tools: readonly ToolMapping[];
  readonly resources: ResourceGroups;
  readonly limits: JobLimits;
}

/** `mule-message` is also written `uwsgi-mule-message`. */
export type AssignmentMethodName =
  | "mem-self"
  | "db-self"
  | "db-preassign"
  | "mule-message"
  | "db-transaction-isolation"
  | "db-skip-locked";

export interface HandlerDefinition {
  readonly id: string;
  /** Empty for an untagged handler, which has the tag `_default_`. */
  readonly tags: readonly string[];
  /** Ids of the only runners this handler loads; undefined: all. */
  readonly plugins?: readonly string[];
}

export interface RunnerConfig {
  /** What implements it, e.g. `galaxy.jobs.runners.local:LocalJobRunner`. */
  readonly load: string;
  /** For the local runner the number of jobs that run at once. */
  readonly workers: number;
  /** The runner's other keywords. */
  readonly params: Readonly<Record<string, unknown>>;
}

export interface Destination {
  readonly id: string;
  /** Key of `runners`, or `dynamic`: a rule decides for each job (galaxy.md 3.9). */
  readonly runner: string;
  readonly tags: readonly string[];
  readonly params: Readonly<Record<string, unknown>>;
  readonly env: readonly EnvironmentEntry[];
  readonly resubmit: readonly ResubmitRule[];
  /** Of the job script; undefined: /bin/bash, or /bin/sh where there is none. */
  readonly shell?: string;
}

/** One line of a destination's environment, in the order in which the job script has them (galaxy.md 4.8). */
export type EnvironmentEntry =
  | {
      readonly kind: "variable";
      readonly name: string;
      readonly value: string;
      /** The value is put into the job script as it is, not quoted: it may hold $HOME or `…`. */
      readonly raw: boolean;
    }
  /** A file that is sourced. */
  | { readonly kind: "file"; readonly file: string }
  /** A command that is run. */
  | { readonly kind: "execute"; readonly command: string };

/** What becomes of a job that failed on a destination (galaxy.md 3.8). */
export interface ResubmitRule {
  /** In the condition language; undefined: any failure. */
  readonly condition?: string;
  /** Id or tag; undefined: the same again. */
  readonly destination?: string;
  /** Handler id or tag. */
  readonly handler?: string;
  /** Seconds, or an expression. */
  readonly delay?: string;
}

/** Where the runs of a tool go (galaxy.md 3.6). Exactly one of id and class is set. */
export interface ToolMapping {
  /** Lower-cased, without a trailing slash. */
  readonly id?: string;
  readonly class?: ToolClass;
  /** Handler id or tag. */
  readonly handler?: string;
  /** Destination id or tag. */
  readonly destination?: string;
  /** Key of `resources.groups`. */
  readonly resources?: string;
  /** 1 to 100, see docs/claim-order.md. */
  readonly priority?: number;
  readonly params: Readonly<Record<string, unknown>>;
}

export type ToolClass = "local" | "requires_galaxy" | "user_defined";

export interface ResourceGroups {
  readonly default?: string;
  readonly groups: Readonly<Record<string, readonly string[]>>;
}

/** Limits that are not configured are undefined, or missing in their list (galaxy.md 3.7). */
export interface JobLimits {
  /** Active jobs of a user. 0 means no limit, as in Galaxy. */
  readonly registeredUserConcurrentJobs?: number;
  /** The same for guests. */
  readonly anonymousUserConcurrentJobs?: number;
  /** Active jobs of one user on one destination, or on all destinations with a tag. 0 means no limit. */
  readonly destinationUserConcurrentJobs: readonly DestinationLimit[];
  /** Active jobs of all users. 0 means none. */
  readonly destinationTotalConcurrentJobs: readonly DestinationLimit[];
  /** Run time of one job, seconds. */
  readonly walltime?: number;
  /** Run time of all of a user's ok jobs in the window, seconds. */
  readonly totalWalltime?: { readonly seconds: number; readonly windowDays: number };
  /** Largest single output, bytes. */
  readonly outputSize?: number;
}

export interface DestinationLimit {
  readonly by: "id" | "tag";
  readonly name: string;
  readonly value: number;
}

export const NO_LIMITS: JobLimits = {
  destinationUserConcurrentJobs: [],
  destinationTotalConcurrentJobs: [],
};

/** What holds without a job_conf: one runner `local` with 4 workers and one destination `local` (galaxy.md 3.1). */
export const DEFAULT_JOB_CONFIG: JobConfig = {
  assign: undefined,
  readyWindowSize: 100,
  handlers: [],
  runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 4, params: {} } },
  destinations: { local: { id: "local", runner: "local", tags: [], params: {}, env: [], resubmit: [] } },
  defaultDestination: "local",
  tools: [],
  resources: { groups: {} },
  limits: NO_LIMITS,
};
