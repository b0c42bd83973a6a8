export { HandlerAssigner, HandlerAssignmentError } from "./assignment/assign-handler.ts";
export type { Assignment } from "./assignment/assignment.ts";
export { HandlerMap } from "./assignment/handler-map.ts";
export {
  readJobHandlerMessage,
  type JobHandlerMessage,
  type MuleMessages,
} from "./assignment/mule-message.ts";
export {
  assignmentMethods,
  handlerTags,
  isWebHandler,
  poolOfTag,
  tagOfPool,
} from "./assignment/process-role.ts";
export { ClaimCursor, type Look } from "./claim-cursor.ts";
export { checkRules } from "./destinations/check-rules.ts";
export {
  DestinationMapper,
  type DestinationMapping,
  type MappingRequest,
} from "./destinations/map-destination.ts";
export { hasConcurrencyLimits, LimitBook } from "./limits/limit-book.ts";
export { jobDirectory, streamFile } from "./job-directory.ts";
export { JobHandler, type JobHandlerOptions } from "./job-handler.ts";
export { peek } from "./outputs.ts";
export { openInstance } from "./open-instance.ts";
export { offerResources } from "./offer-resources.ts";
export { readStream, readStreamChunk, storedStreamChunk, type StreamChunk } from "./streams.ts";
export { poolReadiness, type PoolReadiness } from "./pool-readiness.ts";
export { release } from "./release.ts";
export { StateWriter, type RunningJob } from "./state-writer.ts";
export { faultPoints, type FaultPoint, type FaultStep } from "./fault-points.ts";
export { Workers, type Turn } from "./workers.ts";
export { findToolMapping } from "./tool-mapping.ts";
export { explainJob, type JobExplanation } from "./explain-job.ts";
export { explainRoute, type RouteStep } from "./explain-route.ts";
export { LocalRunner, type LocalRunnerOptions } from "./runners/local/local-runner.ts";
export { Maintenance, maintenanceTasks } from "./maintenance/maintenance.ts";
export type { MaintenanceTask } from "./maintenance/maintenance-task.ts";
export { answers, knownHandler } from "./operations/known-handler.ts";
export { drain, resume, type HandlerOperation } from "./operations/drain.ts";
export { OperationRefused } from "./operations/operation-refused.ts";
export { reassign, type ReassignOperation, type ReassignResult } from "./operations/reassign.ts";
export { remainingWork, type ExpectedJob, type RemainingWork } from "./operations/remaining-work.ts";
export { remove } from "./operations/remove.ts";
export { SlurmRunner, type SlurmRunnerOptions } from "./runners/slurm/slurm-runner.ts";
export { LocalShell } from "./runners/shell/local-shell.ts";
export { SshShell } from "./runners/shell/ssh-shell.ts";
export { judgeEnd } from "./runners/slurm/judge-end.ts";
export { SlurmCommands, type SlurmJob } from "./runners/slurm/slurm-commands.ts";
export { pendingReason } from "./runners/slurm/slurm-states.ts";
export type { PreparedRun, RecoveredRun, RunEnd, Runner, StartedRun } from "./runners/runner.ts";
