import { didYouMean, type GalaxyConfig } from "@galaxy-jobs/runtime";
import {
  attemptTimes,
  awaitedInputs,
  handlersServing,
  holderOf,
  jobsAhead,
  readJobLock,
  type Database,
  type JobRow,
  type ServingHandler,
} from "@galaxy-jobs/shared-db";
import { defaultTag } from "./assignment/assignment.ts";
import { HandlerMap } from "./assignment/handler-map.ts";
import { poolOfTag } from "./assignment/process-role.ts";

/** What holds a job up, as a key for programs and in words for people. */
export interface JobExplanation {
  readonly code:
    | "ended"
    | "inputs"
    | "paused"
    | "delay"
    | "locked"
    | "no-handler"
    | "no-pool"
    | "queue"
    | "drained"
    | "message"
    | "handler"
    | "handler-lost"
    | "starting"
    | "running"
    | "requeued"
    | "ending";
  readonly reason: string;
}

/** Why a job is in its state and not further (DESIGN.md promise 7). */
export async function explainJob(
  database: Database,
  config: GalaxyConfig,
  job: JobRow,
): Promise<JobExplanation> {
  switch (job.state) {
    case "ok":
    case "error":
    case "deleted":
    case "stopped":
      return { code: "ended", reason: withInfo(`the job has ended: ${job.state}`, job.info) };
    case "paused":
      return {
        code: "paused",
        reason: withInfo("the job is paused until somebody resumes it", job.info),
      };
    case "waiting":
      return explainInputs(database, job);
    case "new":
    case "resubmitted":
      return job.incarnationId === null
        ? explainUnclaimed(database, config, job)
        : explainHeld(database, job, {
            code: "handler",
            reason: job.waitReason ?? `handler ${job.handler} has taken the job and is about to start it`,
          });
    case "queued":
      return explainHeld(database, job, {
        code: "starting",
        reason: withInfo(
          `handler ${job.handler} has given the job to the runner ${job.jobRunnerName} (destination ${job.destinationId}${decided(job)})`,
          job.waitReason,
        ),
      });
    case "running":
      return explainHeld(database, job, {
        code: job.waitReason === null ? "running" : "requeued",
        reason: withInfo(
          `the job runs on destination ${job.destinationId}${decided(job)}, watched by handler ${job.handler}`,
          job.waitReason,
        ),
      });
    case "deleting":
    case "stopping":
      return explainHeld(database, job, {
        code: "ending",
        reason: `handler ${job.handler} is ending the job's processes`,
      });
  }
}

async function explainInputs(database: Database, job: JobRow): Promise<JobExplanation> {
  const inputs = await awaitedInputs(database, job.id);
  const words = inputs.map(
    ({ hid, name, jobState }) =>
      `dataset ${hid} (${name})${jobState === null ? "" : `, whose job is ${jobState}`}`,
  );
  return {
    code: "inputs",
    reason:
      words.length === 0 ? "its inputs have just become ready" : `an input is not ready: ${words.join("; ")}`,
  };
}

async function explainUnclaimed(
  database: Database,
  config: GalaxyConfig,
  job: JobRow,
): Promise<JobExplanation> {
  if (job.state === "resubmitted") {
    const delay = await explainDelay(database, job);
    if (delay !== undefined) return delay;
  }
  if (await readJobLock(database))
    return { code: "locked", reason: "an administrator has locked the start of jobs (job lock)" };
  if (job.handler === null) {
    const pool = poolOfTag(job.assignedHandler ?? defaultTag);
    return { code: "message", reason: `a message about the job is on its way to the mules of ${pool}` };
  }
  return explainQueue(database, config, job, job.handler);
}

/** @returns undefined once the delay is over */
async function explainDelay(database: Database, job: JobRow): Promise<JobExplanation | undefined> {
  const left = (job.resubmitAfter!.getTime() - Date.now()) / 1000;
  if (left <= 0) return undefined;
  const attempt = await nextAttempt(database, job.id);
  const where = job.wantedDestination === null ? "" : ` on ${job.wantedDestination}`;
  const when = `in ${Math.ceil(left)} s (${job.resubmitAfter!.toISOString()})`;
  return { code: "delay", reason: withInfo(`attempt ${attempt} starts ${when}${where}`, job.info) };
}

async function nextAttempt(database: Database, jobId: number): Promise<number> {
  return (await attemptTimes(database, jobId)).attempt;
}

/** Assigned to a name or tag, and nobody has taken it. */
async function explainQueue(
  database: Database,
  config: GalaxyConfig,
  job: JobRow,
  name: string,
): Promise<JobExplanation> {
  const serving = await handlersServing(database, name);
  const live = serving.filter((handler) => handler.live);
  const named =
    serving.some(({ serverName }) => serverName === name) || new HandlerMap(config.jobs).hasId(name);
  const taking = live.filter(({ drainTime }) => drainTime === null);
  if (live.length > 0 && taking.length === 0)
    return { code: "drained", reason: drainedWords(live, name, named) };
  if (taking.length > 0) {
    const ahead = await jobsAhead(database, job);
    const who = taking.map(({ serverName, jobsInHand }) => `${serverName} (${jobsInHand} jobs in hand)`);
    const place = ahead === 0 ? "the job is the next" : `${ahead} jobs are ahead of it`;
    const again = job.state === "resubmitted" ? `attempt ${await nextAttempt(database, job.id)} ` : "";
    return {
      code: "queue",
      reason: `${again}waits for ${taking.length === 1 ? "handler" : "one of the handlers"} ${who.join(", ")}; ${place}`,
    };
  }
  const last = serving.toSorted((a, b) => b.seen.getTime() - a.seen.getTime())[0];
  if (named) {
    const since = last === undefined ? "; it was never seen" : ` since ${last.seen.toISOString()}`;
    return {
      code: "no-handler",
      reason: `the job is assigned to handler ${name}, which is not running${since}; ${whatNext(config, job)}`,
    };
  }
  const since =
    last === undefined
      ? `has never had a handler${suggestTag(config, name)}`
      : `has no live handler since ${last.seen.toISOString()} (the last was ${last.serverName})`;
  return { code: "no-pool", reason: `pool ${poolOfTag(name)} ${since}` };
}

/** Who keeps a job waiting, where all who could take it are drained. */
function drainedWords(drained: readonly ServingHandler[], name: string, named: boolean): string {
  const since = ({ drainTime, drainedBy }: ServingHandler) =>
    `since ${drainTime!.toISOString()} by ${drainedBy}`;
  if (named && drained.length === 1)
    return `the job is assigned to handler ${name}, which is drained ${since(drained[0]!)}: resume it, or reassign its jobs`;
  const who = drained.map((one) => `${one.serverName} ${since(one)}`).join(", ");
  return `all live handlers of pool ${poolOfTag(name)} are drained: ${who}`;
}

function suggestTag(config: GalaxyConfig, name: string): string {
  const known = config.jobs.handlers.flatMap(({ id, tags }) => [id, ...tags]);
  const meant = didYouMean(name, known);
  return meant === undefined ? "" : `; does job_conf mean ${meant}?`;
}

/** The same, unless its handler has gone silent. */
async function explainHeld(
  database: Database,
  job: JobRow,
  normally: JobExplanation,
): Promise<JobExplanation> {
  const holder = job.incarnationId === null ? undefined : await holderOf(database, job.incarnationId);
  if (holder === undefined || holder.live) return normally;
  const { serverName, hostname, ended, seen, leaseSeconds } = holder;
  const what = ended ? "has ended" : "does not answer since";
  const next = !ended
    ? `others take it over ${leaseSeconds} s after that, as soon as one is live`
    : `nobody has taken it over yet: ${whoAdopts(job, hostname)}`;
  return {
    code: "handler-lost",
    reason: `handler ${serverName} on ${hostname}, which holds the job (${job.state}), ${what} ${seen.toISOString()}; ${next}`,
  };
}

function whoAdopts(job: JobRow, hostname: string): string {
  if (job.runFence === null) return "any live handler does";
  return (
    `a live handler on ${hostname} with the runner ${job.jobRunnerName} and the same job_working_directory does, ` +
    `or, if the runner is a cluster's, one of the same pool`
  );
}

/** Of a job that waits for a named handler. */
function whatNext(config: GalaxyConfig, { assignedTag }: JobRow): string {
  if (assignedTag === null) return "its tool is mapped to this handler by id, so it waits for it";
  if (config.handlerFailover === "wait") return "it waits for it (handler_failover: wait)";
  return `the first live handler of ${poolOfTag(assignedTag)} takes it over when the handler's lease is over`;
}

/** How a rule came to the destination. */
function decided({ destinationReason }: JobRow): string {
  return destinationReason === null ? "" : ` (${destinationReason})`;
}

function withInfo(text: string, info: string | null): string {
  return info === null || info === "" ? text : `${text}: ${info}`;
}
