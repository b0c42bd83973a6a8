import {
  evaluateResubmitExpression,
  holds,
  parseResubmitExpression,
  type FailureFacts,
  type GalaxyConfig,
  type ResubmitRule,
} from "@galaxy-jobs/runtime";
import {
  attemptTimes,
  channels,
  notify,
  resubmitJobIfOwned,
  type AttemptTimes,
  type Database,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import type { HandlerContext } from "../handler-context.ts";
import type { PreparedRun } from "../runners/runner.ts";
import type { Ending, FailureCause } from "./finish.ts";
import { runnerOf } from "./runner-of.ts";

/** A longer delay is a slip of the pen, seconds. */
const longestDelay = 366 * 24 * 3600;

/** Galaxy's words for why a job was resubmitted. */
const reasons: Partial<Record<FailureCause, string>> = {
  walltime_reached: "it reached the walltime",
  memory_limit_reached: "it exceeded the amount of allocated memory",
  tool_detected_failure: "it encountered a tool detected error condition",
  job_output_not_returned_from_cluster: "its output was not returned from the cluster",
  unknown_error: "it encountered an unknown error",
};

/**
 * Puts a failed job back for another attempt, when a rule of its destination says so (galaxy.md 3.8). What ran over a limit of
 * job_conf is not tried again: the limit holds everywhere.
 * @returns `no` when no rule applies; `lost` when the job is no longer this handler's
 */
export async function resubmit(
  context: HandlerContext,
  database: Database,
  job: JobRow,
  run: PreparedRun,
  ending: Ending,
): Promise<"resubmitted" | "lost" | "no"> {
  const { cause } = ending;
  const reason = cause === null ? undefined : reasons[cause];
  const rules = rulesOf(context.config, run);
  if (cause === null || reason === undefined || rules.length === 0) return "no";
  const times = await attemptTimes(database, job.id);
  const facts = factsOf(cause, times);
  const rule = rules.find(
    ({ condition }) => condition === undefined || holdsFor(context, job, condition, facts),
  );
  if (rule === undefined) return "no";

  // Nothing of the failed attempt may run beside the next.
  await runnerOf(context, run.destination.runner).stop(run);
  const delay = rule.delay === undefined ? 0 : delayOf(context, job, rule.delay, facts);
  const info = `This job was resubmitted to the queue because ${reason} on its compute resource.`;
  const handler = await resubmitJobIfOwned(database, {
    id: job.id,
    fence: job.fence,
    ...ending.streams,
    cause,
    failure: ending.info,
    exitCode: ending.exitCode,
    messages: ending.messages,
    info,
    destination: rule.destination ?? sameDestination(context.config, job, run),
    handler: rule.handler ?? null,
    delay,
  });
  if (handler === undefined) return "lost";
  context.events.emit("resubmitted", {
    job: job.id,
    fence: job.fence,
    attempt: times.attempt,
    cause,
    destination: rule.destination ?? run.destination.id,
    handler,
    delay,
  });
  if (delay === 0) await notify(database, channels.newJobs, handler);
  return "resubmitted";
}

function rulesOf(
  { defaultJobResubmissionCondition: condition }: GalaxyConfig,
  run: PreparedRun,
): readonly ResubmitRule[] {
  const { resubmit: rules } = run.destination;
  return rules.length === 0 && condition !== undefined ? [{ condition }] : rules;
}

function factsOf(
  cause: FailureCause,
  { attempt, secondsRunning, secondsSinceQueued }: AttemptTimes,
): FailureFacts {
  return {
    walltime_reached: cause === "walltime_reached",
    memory_limit_reached: cause === "memory_limit_reached",
    unknown_error: cause === "unknown_error",
    tool_detected_failure: cause === "tool_detected_failure",
    any_failure: true,
    any_potential_job_failure: true,
    attempt,
    seconds_running: secondsRunning,
    seconds_since_queued: secondsSinceQueued,
  };
}

/** A condition that has no value for this failure does not hold. */
function holdsFor(context: HandlerContext, job: JobRow, condition: string, facts: FailureFacts): boolean {
  try {
    return holds(evaluateResubmitExpression(parseResubmitExpression(condition), facts));
  } catch (error) {
    context.events.emit("trouble", { at: "resubmit", job: job.id, error });
    return false;
  }
}

function delayOf(context: HandlerContext, job: JobRow, expression: string, facts: FailureFacts): number {
  try {
    const seconds = evaluateResubmitExpression(parseResubmitExpression(expression), facts);
    return typeof seconds === "number" ? Math.min(Math.max(seconds, 0), longestDelay) : 0;
  } catch (error) {
    context.events.emit("trouble", { at: "resubmit", job: job.id, error });
    return 0;
  }
}

/** The destination itself, also where a tag or a rule had chosen it; one that only a rule knows is chosen again. */
function sameDestination({ jobs }: GalaxyConfig, job: JobRow, { destination }: PreparedRun): string | null {
  return Object.hasOwn(jobs.destinations, destination.id) ? destination.id : job.wantedDestination;
}
