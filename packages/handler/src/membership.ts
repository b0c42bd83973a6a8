import { addressOf, channels, deregisterIncarnation, notify } from "@galaxy-jobs/shared-db";
import { ExpressionSandbox } from "@galaxy-jobs/tools";
import { ClaimCursor } from "./claim-cursor.ts";
import { DestinationMapper } from "./destinations/map-destination.ts";
import { ExpressRoutes } from "./express-routes.ts";
import { atStep } from "./fault-points.ts";
import type { HandlerContext } from "./handler-context.ts";
import { registerHandler } from "./incarnation.ts";
import type { JobEvents } from "./job-events.ts";
import { JobFilesReader } from "./job-files-reader.ts";
import type { JobHandlerOptions } from "./job-handler.ts";
import { Lease } from "./lease/lease.ts";
import { runDirectoryId } from "./run-directory-id.ts";
import { makeRunners } from "./runners/make-runners.ts";
import { StateWriter } from "./state-writer.ts";
import { makeUntilWritten } from "./until-written.ts";

/**
 * Becomes the one holder of the configured server name.
 * @returns the lease, which is held and has to be started to be renewed
 * @throws ServerNameTakenError, and file system errors of job_working_directory
 */
export async function join(options: JobHandlerOptions, events: JobEvents): Promise<Lease> {
  const { config, database, tags, onLeaseLost } = options;
  const directoryId = await runDirectoryId(config.jobWorkingDirectory);
  const registeredAt = process.hrtime.bigint();
  const incarnationId = await registerHandler(database, config, { tags, runDirectoryId: directoryId });
  return new Lease({
    address: addressOf(database),
    serverName: config.serverName,
    incarnationId,
    lease: config.handlerLease,
    stuckAfter: config.handlerStuckAfter,
    registeredAt,
    events,
    onLost: onLeaseLost,
  });
}

/** @param leaving aborted when the handler stops: then nobody waits for the database any more */
export async function makeContext(
  options: JobHandlerOptions,
  events: JobEvents,
  lease: Lease,
  leaving: AbortSignal,
): Promise<HandlerContext> {
  const { config, database, fault, tags, toolBox } = options;
  const runners = makeRunners(config, (error) => events.emit("trouble", { at: "watch", error }));
  const mapper = new DestinationMapper({
    config,
    database,
    serves: (runner) => runners.has(runner),
    onOutput: (destination, line) => events.emit("rule_said", { destination, line }),
  });
  const untilWritten = makeUntilWritten(lease, events, leaving);
  return {
    config,
    database,
    toolBox,
    tags,
    incarnationId: lease.incarnationId,
    runDirectoryId: await runDirectoryId(config.jobWorkingDirectory),
    sandbox: new ExpressionSandbox(),
    runners,
    mapper,
    events,
    cursor: new ClaimCursor(),
    lease,
    fault,
    untilWritten,
    states: new StateWriter({ fault, untilWritten }, database),
    files: new JobFilesReader(database),
    express: new ExpressRoutes(config.jobs),
  };
}

/** The clean end: what was not started goes back at once. */
export async function leave({ database, events, fault, incarnationId }: HandlerContext): Promise<void> {
  try {
    const released = await atStep(fault, "deregister", () => deregisterIncarnation(database, incarnationId));
    if (released === undefined || released.jobs === 0) return;
    events.emit("released", { jobs: released.jobs });
    for (const name of released.names) await notify(database, channels.newJobs, name);
  } catch (error) {
    // The database is away: others take over what is left when the lease is over, or the next start of this name does.
    events.emit("trouble", { at: "deregister", error });
  }
}
