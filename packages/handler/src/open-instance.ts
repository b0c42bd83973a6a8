import { formatFault, locateDatabase, type DaemonContext } from "@galaxy-jobs/runtime";
import {
  applicationName,
  migrate,
  migrationStatus,
  openWhenReady,
  ownProtocol,
  type Database,
} from "@galaxy-jobs/shared-db";
import { loadToolBox, type ToolBox } from "@galaxy-jobs/tools";
import { SchemaWatch } from "./schema-watch.ts";

/**
 * What every daemon of an instance begins with: its database, migrated, and its tools. The database is closed again when the
 * daemon stops, after all that was started later.
 * @param program for pg_stat_activity
 * @param options.toolsApart see `loadToolBox`
 * @returns also the protocol number of this release (shared-db/src/schema-compatibility.ts)
 * @throws DatabaseUnavailableError, and what migrations throw
 */
export async function openInstance(
  context: DaemonContext,
  program: string,
  { toolsApart = false }: { readonly toolsApart?: boolean } = {},
): Promise<{ readonly database: Database; readonly tools: ToolBox; readonly protocol: number }> {
  const { config, logger } = context;
  // While the database is connected to. It does not fail for what is wrong with a tool; if it does, that is told below.
  const reading = loadToolBox(config.toolPaths, { apart: toolsApart });
  reading.catch(() => undefined);
  const located = await locateDatabase(config, logger);
  await context.run({
    name: "database-server",
    start: () => Promise.resolve(),
    stop: () => located.release(),
  });
  const protocol = await ownProtocol();
  const database = await openWhenReady(located.connection, {
    applicationName: applicationName(program, protocol, config.serverName),
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
  const { current } = await migrationStatus(database);
  if (current > protocol) logger.warn("database.newer", { migration: current, known: protocol });
  await context.run(
    new SchemaWatch(database, protocol, {
      onShutOut: (error) => context.end(1, error.message),
      onError: (error) => logger.debug("database.schema_watch", { error }),
    }),
  );
  const tools = await reading;
  for (const fault of tools.faults) logger.warn("tool.faulty", { fault: formatFault(fault) });
  return { database, tools, protocol };
}
