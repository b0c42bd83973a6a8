import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { Database, Sql } from "./sql.ts";
import { errorCode, sqlState } from "./sqlstate.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: string;
  readonly checksum: string;
}

export interface MigrationStatus {
  /** The highest version in the database; 0 when it is empty. */
  readonly current: number;
  /** The highest version this release brings. */
  readonly latest: number;
  /** Names of the migrations that are still to be applied, in order. */
  readonly pending: readonly string[];
}

/** The database was migrated by a newer release than this one. */
export class NewerDatabaseError extends Error {
  override readonly name = "NewerDatabaseError";
  readonly current: number;
  readonly latest: number;
  constructor(current: number, latest: number) {
    super(
      `the database is at migration ${current}, this release knows them up to ${latest}: ` +
        `start a release that is at least as new as the one that migrated it`,
    );
    this.current = current;
    this.latest = latest;
  }
}

/** A migration that was applied is not the one that this release brings under its number. */
export class ChangedMigrationError extends Error {
  override readonly name = "ChangedMigrationError";
}

const folder = new URL("../migrations/", import.meta.url);
/** Any fixed number: the advisory lock that lets one process migrate at a time. */
const lockKey = 7_237_001;

/** The migrations of this release, in order. */
export async function listMigrations(): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).toSorted();
  return Promise.all(
    files.map(async (file) => {
      const statements = await readFile(new URL(file, folder), "utf8");
      return {
        version: Number.parseInt(file, 10),
        name: file.replace(/\.sql$/, ""),
        statements,
        checksum: createHash("sha256").update(statements).digest("hex"),
      };
    }),
  );
}

/**
 * Brings the database to this release's schema. Each migration is one transaction; an advisory lock makes concurrent callers
 * wait for each other, and those that come later find nothing to do.
 * @returns the names of the migrations that this call applied
 * @throws NewerDatabaseError, ChangedMigrationError
 */
export async function migrate(database: Database): Promise<string[]> {
  const migrations = await listMigrations();
  const connection = await database.reserve();
  try {
    await connection`set statement_timeout = 0`;
    await connection`select pg_advisory_lock(${lockKey}::bigint)`;
    const applied: string[] = [];
    for (const migration of await pendingMigrations(connection, migrations)) {
      await apply(connection, migration);
      applied.push(migration.name);
    }
    return applied;
  } finally {
    await unlock(connection);
    connection.release();
  }
}

/** What `galaxyctl db status` shows; changes nothing, and works on an empty database. */
export async function migrationStatus(sql: Sql): Promise<MigrationStatus> {
  const migrations = await listMigrations();
  const applied = await appliedMigrations(sql);
  const current = applied.at(-1)?.version ?? 0;
  return {
    current,
    latest: migrations.at(-1)?.version ?? 0,
    pending: migrations.filter(({ version }) => version > current).map(({ name }) => name),
  };
}

async function pendingMigrations(sql: Sql, migrations: readonly Migration[]): Promise<Migration[]> {
  await sql`
    create table if not exists schema_migration (
      version integer primary key,
      name text not null,
      checksum text not null,
      apply_time timestamptz not null default now()
    )`;
  const applied = await appliedMigrations(sql);
  const current = applied.at(-1)?.version ?? 0;
  const latest = migrations.at(-1)?.version ?? 0;
  if (current > latest) throw new NewerDatabaseError(current, latest);
  for (const { version, name, checksum } of applied) {
    const ours = migrations.find((migration) => migration.version === version);
    if (ours?.checksum !== checksum) {
      throw new ChangedMigrationError(
        `migration ${name} was applied with other contents than this release has: ` +
          `the database belongs to another release; restore the release that made it, or a backup`,
      );
    }
  }
  return migrations.filter(({ version }) => version > current);
}

async function appliedMigrations(sql: Sql): Promise<{ version: number; name: string; checksum: string }[]> {
  try {
    return await sql<
      { version: number; name: string; checksum: string }[]
    >`select version, name, checksum from schema_migration order by version`;
  } catch (error) {
    if (errorCode(error) === sqlState.undefinedTable) return [];
    throw error;
  }
}

async function apply(sql: Sql, migration: Migration): Promise<void> {
  try {
    await sql`begin`;
    await sql.unsafe(migration.statements);
    await sql`insert into schema_migration (version, name, checksum)
      values (${migration.version}, ${migration.name}, ${migration.checksum})`;
    await sql`commit`;
  } catch (error) {
    await sql`rollback`.catch(() => undefined);
    throw error;
  }
}

async function unlock(sql: Sql): Promise<void> {
  // A connection that broke has lost the lock already.
  await sql`select pg_advisory_unlock(${lockKey}::bigint)`.catch(() => undefined);
  await sql`reset statement_timeout`.catch(() => undefined);
}
