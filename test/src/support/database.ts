import { openDatabase, type Database, type DatabaseAddress } from "@galaxy-jobs/shared-db";
import { servers } from "./global-setup.ts";
import type { TestServer } from "./servers.ts";

/** A database of one test file's own, copied from the migrated template. */
export interface TestDatabase {
  readonly sql: Database;
  readonly address: DatabaseAddress;
  /** For `database_connection`. */
  readonly url: string;
}

/** Where tests run that do not care; `npm run test:postgres` makes it the version under test. */
const usual = process.env["GALAXY_TEST_USUAL_DATABASE"] === "system" ? "system" : "embedded";
let made = 0;

/** Gives the tests around it a migrated database; dropped afterwards. Use the result inside `it` and hooks only. */
export function withDatabase(which: "embedded" | "system" = usual): TestDatabase {
  const handle: { value?: TestDatabase & { drop(): Promise<void> } } = {};
  before(async function () {
    if (servers[which] === undefined) {
      console.log("      needs PostgreSQL under /usr/lib/postgresql (package postgresql)");
      this.skip();
    }
    handle.value = await createDatabase(which);
  });
  after(async () => handle.value?.drop());
  const value = () => {
    if (handle.value === undefined)
      throw new Error("withDatabase(): the database is there in hooks and tests only");
    return handle.value;
  };
  return {
    get sql() {
      return value().sql;
    },
    get address() {
      return value().address;
    },
    get url() {
      return value().url;
    },
  };
}

/** A migrated (or, with `empty`, bare) database to be dropped by the caller. */
export async function createDatabase(
  which: "embedded" | "system" | TestServer = usual,
  options: { empty?: boolean } = {},
): Promise<TestDatabase & { drop(): Promise<void> }> {
  const server = typeof which === "string" ? servers[which]! : which;
  made += 1;
  const name = `test_${process.pid}_${made}`;
  const admin = openDatabase(server.address, { applicationName: "test-admin", maxConnections: 1 });
  await admin.unsafe(
    `create database ${name} template ${options.empty === true ? "template0" : server.template}`,
  );
  const address: DatabaseAddress = { ...server.address, database: name };
  const sql = openDatabase(address, { applicationName: "test" });
  return {
    sql,
    address,
    url: urlOf(address),
    async drop() {
      await sql.end({ timeout: 5 });
      // PostgreSQL 12 has no DROP DATABASE … WITH (FORCE).
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
      await admin.unsafe(`drop database ${name}`);
      await admin.end();
    },
  };
}

/** For `database_connection`. */
export function urlOf(address: DatabaseAddress): string {
  const password = address.password === undefined ? "" : `:${encodeURIComponent(address.password)}`;
  return `postgresql://${encodeURIComponent(address.user)}${password}@/${address.database}?host=${encodeURIComponent(address.host)}&port=${address.port}`;
}
