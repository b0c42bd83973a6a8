import { ensureEmbeddedDatabase, type DatabaseConnection } from "@galaxy-jobs/runtime";
import { migrate, openDatabase, type Database, type DatabaseAddress } from "@galaxy-jobs/shared-db";
import { goOn, mustEnd } from "./clean-up.ts";
import { temporaryFolder } from "./folder.ts";

/** A database of one subject's own, on the embedded PostgreSQL with the settings that an instance has. */
export interface BenchDatabase {
  readonly sql: Database;
  readonly address: DatabaseAddress;
  /** For `database_connection`, and for the drivers of others. */
  readonly url: string;
  drop(): Promise<void>;
}

let server: Promise<DatabaseConnection> | undefined;
let made = 0;

/** One server for all benches of a run, durable like that of an instance. */
function benchServer(): Promise<DatabaseConnection> {
  server ??= (async () => {
    const folder = await temporaryFolder("postgres");
    const { connection, release } = await ensureEmbeddedDatabase({ directory: folder.path });
    mustEnd(release);
    return connection;
  })();
  return server;
}

/** @param options.migrated has our schema; otherwise it is empty */
export async function makeDatabase(options: { readonly migrated: boolean }): Promise<BenchDatabase> {
  goOn();
  const at = await benchServer();
  made += 1;
  const name = `bench_${made}`;
  const admin = openDatabase(at, { applicationName: "bench-admin", maxConnections: 1 });
  await admin.unsafe(`create database ${name}`);
  const address: DatabaseAddress = { ...at, database: name };
  const sql = openDatabase(address, { applicationName: "bench", statementTimeout: 3_600_000 });
  const drop = mustEnd(async () => {
    await sql.end({ timeout: 1 });
    await admin.unsafe(`drop database ${name} with (force)`);
    await admin.end({ timeout: 1 });
  });
  if (options.migrated) await migrate(sql);
  return { sql, address, url: urlOf(address), drop };
}

/** What the server is, for the report. */
export async function serverVersion(): Promise<string> {
  const sql = openDatabase(await benchServer(), { applicationName: "bench-admin", maxConnections: 1 });
  const [row] = await sql<{ version: string }[]>`select current_setting('server_version') as version`;
  await sql.end({ timeout: 1 });
  return row!.version;
}

function urlOf({ user, password, host, port, database }: DatabaseAddress): string {
  const secret = password === undefined ? "" : `:${encodeURIComponent(password)}`;
  return `postgresql://${encodeURIComponent(user)}${secret}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
}
