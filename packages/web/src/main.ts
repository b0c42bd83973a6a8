import {
  commandLine,
  daemonOptions,
  formatFault,
  locateDatabase,
  runDaemon,
  type DaemonArguments,
  type DaemonContext,
} from "@galaxy-jobs/runtime";
import {
  checkRules,
  HandlerAssigner,
  handlerTags,
  isWebHandler,
  JobHandler,
  offerResources,
  release,
} from "@galaxy-jobs/handler";
import { ensureUser, loadIdEncoder, migrate, openWhenReady } from "@galaxy-jobs/shared-db";
import { loadToolBox } from "@galaxy-jobs/tools";
import { createApp } from "./create-app.ts";
import { EventFeed } from "./event-feed.ts";
import { Hints } from "./hints.ts";
import { HttpServers } from "./http-servers.ts";
import type { WebContext } from "./web-context.ts";

const parser = daemonOptions(commandLine("galaxy-web", process.argv.slice(2)))
  .usage(
    "$0 [options]\n\nThe web tier: the page and the API. Jobs are run by galaxy-handler processes, or here if nothing else is configured.",
  )
  .example("$0 -c config/galaxy.yml", "in the foreground")
  .version(release);

await runDaemon({
  name: "galaxy-web",
  arguments: (await parser.parse()) as unknown as DaemonArguments,
  // Only where jobs are handled here as well.
  check: (config) => (isWebHandler(config) ? checkRules(config) : []),
  main,
});

async function main(context: DaemonContext): Promise<void> {
  const { config, logger } = context;
  const located = await locateDatabase(config, logger);
  await context.run({
    name: "database-server",
    start: () => Promise.resolve(),
    stop: () => located.release(),
  });
  const database = await openWhenReady(located.connection, {
    applicationName: `galaxy-web ${config.serverName}`,
    statementTimeout: config.databaseStatementTimeout * 1000,
    onWait: (reason, wait) => logger.warn("database.waiting", { reason, nextTryInMs: wait }),
  });
  await context.run({
    name: "database",
    start: () => Promise.resolve(),
    stop: () => database.end({ timeout: 5 }),
  });
  const applied = await migrate(database);
  if (applied.length > 0) logger.info("database.migrated", { migrations: applied });
  if (config.singleUser !== undefined) await ensureUser(database, config.singleUser);
  const tools = await loadToolBox(config.toolPaths);
  for (const fault of tools.faults) logger.warn("tool.faulty", { fault: formatFault(fault) });
  const offered = offerResources(config, tools);
  const feed = new EventFeed(database, logger);
  await context.run(feed);
  const jobHandler = isWebHandler(config)
    ? new JobHandler({
        config,
        database,
        logger,
        toolBox: () => tools,
        tags: handlerTags(config),
        onFenced: (error) => context.end(1, error.message),
      })
    : undefined;
  if (jobHandler !== undefined) await context.run(jobHandler);
  const web: WebContext = {
    config,
    database,
    logger,
    feed,
    release,
    ids: await loadIdEncoder(database, config.idSecret),
    toolBox: () => offered,
    hints: new Hints(database, logger),
    assigner: new HandlerAssigner({
      config,
      database,
      self: jobHandler === undefined ? undefined : (jobId) => void jobHandler.take(jobId),
      mules: undefined,
      warn: (message) => logger.warn("job.assignment", { message }),
    }),
  };
  await context.run(new HttpServers(createApp(web), config, logger));
}
