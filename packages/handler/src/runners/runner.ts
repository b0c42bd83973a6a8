import type { Destination } from "@galaxy-jobs/runtime";

/** What a runner is given: everything lies in the run directory before it is asked to start. */
export interface PreparedRun {
  readonly jobId: number;
  /** The fence in the name of the run directory. */
  readonly runFence: number;
  /** Empty for a runner that needs none. */
  readonly directory: string;
  readonly destination: Destination;
  /** For the name of its cluster job. */
  readonly toolId?: string;
}

/**
 * Why a run did not end by itself, as Galaxy's runners name it; the conditions of resubmission rules ask for it (galaxy.md 3.8).
 * `walltime_reached` is a destination's or cluster's own limit, `global_walltime_reached` that of job_conf.
 */
export const runnerStates = [
  "walltime_reached",
  "global_walltime_reached",
  "memory_limit_reached",
  "output_size_limit",
  "job_output_not_returned_from_cluster",
  "unknown_error",
] as const;

export type RunnerState = (typeof runnerStates)[number];

/** How a run ended, read from its own exit record. */
export interface RunEnd {
  /** Of the tool's command; null when it left none. */
  readonly exitCode: number | null;
  /** Set when the run did not end by itself: why, for the user. */
  readonly failure: string | null;
  /** With a failure: its kind; undefined means unknown_error. */
  readonly state?: RunnerState;
  /** The signal that killed the job's script. */
  readonly signal?: number;
  /** What it took, as far as the runner can tell. */
  readonly usage?: RunUsage;
}

export interface RunUsage {
  readonly wallSeconds?: number;
  /** Of the processes that the job waited for. */
  readonly userSeconds?: number;
  readonly systemSeconds?: number;
  /** Of all its processes. */
  readonly cpuSeconds?: number;
  readonly peakMemoryBytes?: number;
}

/** A run that was given to something with a queue of its own, such as a cluster, and may not have begun. */
export interface RunQueue {
  /** Resolves when the run has begun, with its id there; never when it ends before. */
  readonly begun: Promise<string>;
  /**
   * Tells its id as soon as it has one, and each new reason why it waits, in words for the user; an empty one: it runs. A run that
   * has begun may wait again. One listener; it gets what is known already at once.
   */
  follow(listener: (news: { readonly externalId: string; readonly reason: string }) => void): void;
}

/** A run that was started. */
export interface StartedRun {
  /** A pid, a cluster job; empty while the queue that it is for cannot be reached. */
  readonly externalId: string;
  readonly ended: Promise<RunEnd>;
  /** Absent: it has begun. */
  readonly queue?: RunQueue;
}

/** What a runner finds when it looks for a run it did not start in this process's life. */
export type RecoveredRun =
  /** Nothing of it was ever started: it may be started. `asked`: its runner had been asked to. */
  | { readonly found: "not-started"; readonly asked?: boolean }
  /** Under way; `ended` resolves when it ends. */
  | ({ readonly found: "running" } & StartedRun)
  | { readonly found: "ended"; readonly end: RunEnd }
  /** It was started and is gone without a record. */
  | { readonly found: "lost"; readonly reason: string };

/** A way to run jobs. A run outlives the handler that started it; the run directory is what both know it by. */
export interface Runner {
  readonly name: string;
  /**
   * Who can see its runs: processes of one machine only those on it, jobs of a cluster everybody who has this runner. Decides
   * who may adopt them when their handler is dead. Absent: `host`.
   */
  readonly reach?: "host" | "cluster";
  /** How many runs it takes at once. */
  readonly slots: number;
  /** False: its runs have no run directory, no script and no files; their streams and outputs are empty. Absent: true. */
  readonly needsDirectory?: boolean;
  /**
   * Starts a run. The caller has the lease at this moment: a start that begins later than the call itself (a queue of its own)
   * must refuse for a directory that somebody has closed or removed meanwhile.
   * @returns its id with the runner, and its end
   */
  start(run: PreparedRun): Promise<StartedRun>;
  /**
   * Looks for a run that another process may have started. `not-started` is a promise: the run is closed, so that whoever was
   * about to start it cannot any more.
   */
  recover(run: PreparedRun): Promise<RecoveredRun>;
  /** Ends a run with all its processes; resolves when none is left. Harmless when it has ended or was never started. */
  stop(run: PreparedRun): Promise<void>;
  /** The handler stops: what waits for an answer from elsewhere, a `stop` too, fails now; the next owner of the job repeats it. */
  leave?(): void;
  /** Lets go of what it watches; the runs go on. */
  close(): Promise<void>;
}
