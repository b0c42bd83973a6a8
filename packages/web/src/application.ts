import type { RequestListener } from "node:http";
import type { Registry } from "prom-client";
import type { DaemonContext } from "@galaxy-jobs/runtime";
import {
  HandlerAssigner,
  handlerTags,
  isWebHandler,
  JobHandler,
  Maintenance,
  offerResources,
  openInstance,
  release,
  type MuleMessages,
} from "@galaxy-jobs/handler";
import { ensureUser, loadIdEncoder } from "@galaxy-jobs/shared-db";
import { createApp } from "./create-app.ts";
import { EventFeed } from "./event-feed.ts";
import { Hints } from "./hints.ts";
import { makeMetrics } from "./metrics.ts";
import { PatientHandler } from "./patient-handler.ts";
import { SubmitQueue } from "./submit-queue.ts";
import type { WebContext } from "./web-context.ts";

export interface ApplicationPlace {
  /** The way to the mules; undefined: there are none. */
  readonly mules: MuleMessages | undefined;
  /** Another process of this name is about to end: wait for the name instead of failing. */
  readonly awaitsName: boolean;
  /** Makes the metrics of this process those of all of its tree; undefined: it has none. */
  readonly metrics?: (own: Registry) => { text(): Promise<string> };
}

export interface Application {
  readonly listener: RequestListener;
  /** The handler in this process, where it handles jobs; not among the services of the daemon. */
  readonly jobHandler: PatientHandler | undefined;
}

/** Starts everything that answers requests and, where web processes do, handles jobs; the sockets are the caller's. */
export async function startApplication(
  context: DaemonContext,
  { mules, awaitsName, metrics }: ApplicationPlace,
): Promise<Application> {
  const { config, logger } = context;
  const { database, tools, protocol } = await openInstance(context, "galaxy-web");
  if (config.singleUser !== undefined) await ensureUser(database, config.singleUser);
  const offered = offerResources(config, tools);
  const feed = new EventFeed(database, logger);
  await context.run(feed);
  const jobHandler = isWebHandler(config, mules !== undefined)
    ? new PatientHandler(
        new JobHandler({
          config,
          database,
          logger,
          toolBox: () => tools,
          tags: handlerTags(config),
          onLeaseLost: (error) => context.end(1, error.message),
        }),
        { awaitsName, onFailure: (error) => context.end(1, error.message) },
      )
    : undefined;
  if (jobHandler !== undefined) {
    await context.run(jobHandler);
    await context.run(new Maintenance({ config, database, logger }));
  }
  const submitQueue = new SubmitQueue(database, logger);
  await context.run(submitQueue);
  const own = makeMetrics(database);
  const all = metrics?.(own);
  const web: WebContext = {
    config,
    database,
    logger,
    feed,
    release,
    protocol,
    metrics: () => all?.text() ?? own.metrics(),
    ids: await loadIdEncoder(database, config.idSecret),
    toolBox: () => offered,
    hints: new Hints(database, logger),
    submitQueue,
    assigner: new HandlerAssigner({
      config,
      database,
      self: jobHandler === undefined ? undefined : (jobId) => void jobHandler.take(jobId),
      mules,
      warn: (message) => logger.warn("job.assignment", { message }),
    }),
  };
  return { listener: createApp(web), jobHandler };
}
