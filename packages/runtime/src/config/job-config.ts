/** job_conf: who handles jobs, and where and by what they are run (galaxy.md section 3). */
export interface JobConfig {
  /** handling.assign, in the order to be tried; undefined: not configured. */
  readonly assign: readonly AssignmentMethod[] | undefined;
  /** Most jobs that one grab takes; undefined: no limit. */
  readonly maxGrab?: number;
  /** handling.processes. */
  readonly handlers: readonly { readonly id: string; readonly tags: readonly string[] }[];
  /** handling.default: a handler id or a tag. */
  readonly defaultHandler?: string;
  readonly runners: Readonly<Record<string, RunnerConfig>>;
  readonly destinations: Readonly<Record<string, Destination>>;
  readonly defaultDestination: string;
}

export type AssignmentMethod = "db-skip-locked" | "db-self";

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
  /** Key of `runners`. */
  readonly runner: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly env: readonly EnvironmentVariable[];
}

export interface EnvironmentVariable {
  readonly name: string;
  readonly value: string;
  /** The value is put into the job script as it is, not quoted. */
  readonly raw?: boolean;
}

/** What holds without a job_conf: one runner `local` with 4 workers and one destination `local` (galaxy.md 3.1). */
export const DEFAULT_JOB_CONFIG: JobConfig = {
  assign: undefined,
  handlers: [],
  runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 4, params: {} } },
  destinations: { local: { id: "local", runner: "local", params: {}, env: [] } },
  defaultDestination: "local",
};
