import type { GalaxyConfig } from "./config/galaxy-config.ts";
import { parseDatabaseConnection, type DatabaseConnection } from "./database-connection.ts";
import { ensureEmbeddedDatabase } from "./embedded-postgres/embedded-database.ts";
import type { Logger } from "./log.ts";

/** Where this instance's database is, held there until released. */
export interface LocatedDatabase {
  readonly connection: DatabaseConnection;
  /** Call it after closing the connections; the last process to leave stops an embedded server. */
  release(): Promise<void>;
}

/** The configured server, or the embedded one, which is started when it does not run. */
export async function locateDatabase(config: GalaxyConfig, logger?: Logger): Promise<LocatedDatabase> {
  const { database } = config;
  if (database.kind === "server") {
    return { connection: parseDatabaseConnection(database.url), release: () => Promise.resolve() };
  }
  return ensureEmbeddedDatabase({
    directory: database.directory,
    ...(logger === undefined ? {} : { logger }),
  });
}
