import { join } from "node:path";
import { ensureEmbeddedDatabase } from "@galaxy-jobs/runtime";
import { migrate, openDatabase, type Database } from "@galaxy-jobs/shared-db";
import { mustEnd } from "../clean-up.ts";
import { temporaryFolder } from "../folder.ts";

/** An embedded PostgreSQL of one round's own, with the settings that every instance has. */
export interface DrainServer {
  /** Temporary; `data_dir` of an instance on this server is `<folder>/database`. */
  readonly folder: string;
  readonly database: Database;
  stop(): Promise<void>;
}

/** @param migrated has the tables of this release */
export async function startDrainServer(migrated: boolean): Promise<DrainServer> {
  const { path: folder, remove } = await temporaryFolder("drain");
  const server = await ensureEmbeddedDatabase({ directory: join(folder, "database", "postgres") });
  const options = { applicationName: "bench", statementTimeout: 600_000 };
  const database = openDatabase(server.connection, options);
  const stop = mustEnd(async () => {
    await database.end({ timeout: 5 });
    await server.release();
    await remove();
  });
  try {
    if (migrated) await migrate(database);
    return { folder, database, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a bench inserts in bulk is as an instance has it in the long run: with statistics, and without dirty pages. */
export async function settle(database: Database): Promise<void> {
  await database`vacuum analyze`;
  await database`checkpoint`;
}
