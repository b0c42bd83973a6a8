/** Job states of Slurm in which a job may still run, or run again. */
const waiting = new Set([
  "PENDING",
  "CONFIGURING",
  "REQUEUED",
  "REQUEUE_HOLD",
  "REQUEUE_FED",
  "RESV_DEL_HOLD",
  "SPECIAL_EXIT",
  "EXPEDITING",
]);
const running = new Set([
  "RUNNING",
  "COMPLETING",
  "SUSPENDED",
  "STOPPED",
  "RESIZING",
  "SIGNALING",
  "STAGE_OUT",
]);

export type SlurmPhase = "waiting" | "running" | "ended";

/** @param state in Slurm's words */
export function phaseOf(state: string): SlurmPhase {
  if (waiting.has(state)) return "waiting";
  return running.has(state) ? "running" : "ended";
}

/** The state alone, without who caused it or a sign that sacct cut it. */
export function baseState(state: string): string {
  return /^[A-Z_]+/.exec(state)?.[0] ?? state;
}

const words: Readonly<Record<string, string>> = {
  None: "Slurm has not looked at the job yet",
  Resources: "the cluster's nodes are busy",
  Priority: "jobs of a higher priority are ahead of it",
  Dependency: "it depends on a job that has not ended",
  DependencyNeverSatisfied: "it depends on a job that did not end as required, so it will never start",
  BeginTime: "its begin time has not come",
  JobHeldUser: "it is held by its user",
  JobHeldAdmin: "it is held by an administrator",
  Reservation: "its reservation has not begun",
  Licenses: "it waits for a licence",
  PartitionDown: "its partition is down",
  PartitionInactive: "its partition takes no jobs to run",
  PartitionNodeLimit: "it asks for more nodes than its partition allows",
  PartitionTimeLimit: "it asks for more time than its partition allows",
  PartitionConfig: "it asks for more than its partition has",
  AssociationJobLimit: "its account runs as many jobs as it may",
  AssocMaxJobsLimit: "its account runs as many jobs as it may",
  QOSNotAllowed: "its quality of service may not be used with its account or partition",
  BadConstraints: "no node can satisfy what it asks for",
  JobArrayTaskLimit: "its array runs as many tasks as it may",
  JobLaunchFailure: "it could not be launched",
};

/** Why a job waits in Slurm's queue: its word for it, and what that means. */
export function pendingReason(reason: string): string {
  const [name = reason] = reason.split(/[,:\s]/);
  const meaning =
    words[name] ??
    (/^QOS(Max|Grp|Min)/.test(name) || /^(Max|Assoc(Max|Grp))/.test(name)
      ? "a limit of its quality of service or account is reached"
      : name.startsWith("ReqNodeNotAvail")
        ? "nodes that it needs are not available"
        : undefined);
  return meaning === undefined ? `Slurm: ${reason}` : `Slurm: ${meaning} (${reason})`;
}
