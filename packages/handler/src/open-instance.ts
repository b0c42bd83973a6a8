import { formatFault, locateDatabase, type DaemonContext } from "@galaxy-jobs/runtime";
import { migrate, openWhenReady, type Database } from "@galaxy-jobs/shared-db";
import { loadToolBox, type ToolBox } from "@galaxy-jobs/tools";

/**
 * What every daemon of an instance begins with: its database, migrated, and its tools. The database is closed again when the
 * daemon stops, after all that was started later.
 * @param program for pg_stat_activity
 * @throws DatabaseUnavailableError, and what migrations throw
 */
export async function openInstance(
  context: DaemonContext,
  program: string,
): Promise<{ readonly database: Database; readonly tools: ToolBox }> {
  const { config, logger } = context;
  const located = await locateDatabase(config, logger);
  await context.run({
    name: "database-server",
    start: () => Promise.resolve(),
    stop: () => located.release(),
  });
  const database = await openWhenReady(located.connection, {
    applicationName: `${program} ${config.serverName}`,
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
  const tools = await loadToolBox(config.toolPaths);
  for (const fault of tools.faults) logger.warn("tool.faulty", { fault: formatFault(fault) });
  return { database, tools };
}
