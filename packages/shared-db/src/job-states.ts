/**
 * The states of a job and the changes between them that are legal, as data. Every statement that changes a state takes its
 * "must be in" list from here, and docs/job-lifecycle.md shows the same table as a picture. Meanings: galaxy.md 4.1 and 4.2.
 */
export const jobStates = [
  "new",
  "waiting",
  "resubmitted",
  "queued",
  "running",
  "paused",
  "deleting",
  "deleted",
  "stopping",
  "stopped",
  "ok",
  "error",
] as const;

export type JobState = (typeof jobStates)[number];

/** From each state, the states that may follow it. A terminal state has none. */
export const legalChanges: Readonly<Record<JobState, readonly JobState[]>> = {
  // An input is not there yet; the end of the job that makes it decides.
  waiting: ["new", "paused", "error", "deleted"],
  // Ready for a handler, or claimed by one and not yet given to a runner.
  new: ["queued", "paused", "error", "deleting", "deleted"],
  // Put aside because an input failed; resume makes it new (or waiting) again.
  paused: ["new", "waiting", "error", "deleted"],
  // Failed on one destination, waits for its delay, then as new.
  resubmitted: ["queued", "paused", "error", "deleting", "deleted"],
  // Given to a runner. Back to new only when it was never started.
  queued: ["running", "ok", "error", "new", "resubmitted", "deleting", "stopping"],
  // Back to new only when the process that was seen off had not begun, and now cannot.
  running: ["ok", "error", "new", "resubmitted", "deleting", "stopping"],
  // Somebody asked for its end; its handler still has to kill and confirm.
  deleting: ["deleted"],
  stopping: ["stopped", "ok", "error", "deleting"],
  stopped: ["ok", "error"],
  deleted: [],
  ok: [],
  error: [],
};

/** States that nothing leaves. */
export const terminalStates: readonly JobState[] = jobStates.filter(
  (state) => legalChanges[state].length === 0,
);

/** The states from which `to` may be reached: the guard of every write of that state. */
export function statesBefore(to: JobState): JobState[] {
  return jobStates.filter((from) => legalChanges[from].includes(to));
}

export function isTerminal(state: JobState): boolean {
  return legalChanges[state].length === 0;
}
