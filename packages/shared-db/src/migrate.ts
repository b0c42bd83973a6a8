import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  appliedMigrations,
  closeAdmission,
  NewerDatabaseError,
  olderProcesses,
  shutOutBy,
  toleratesProtocol,
} from "./schema-compatibility.ts";
import type { Database, Sql } from "./sql.ts";
import { isPassingConflict } from "./sqlstate.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: string;
  readonly checksum: string;
  /** The lowest protocol number of processes that can work on what it leaves; null: not declared. See schema-compatibility.ts. */
  readonly compatibleFrom: number | null;
}

export interface MigrationStatus {
  /** The highest version in the database; 0 when it is empty. */
  readonly current: number;
  /** The highest version this release brings. */
  readonly latest: number;
  /** Names of the migrations that are still to be applied, in order. */
  readonly pending: readonly string[];
  /** This release can work on the database as it is: nothing is pending, and what is newer declares that it may. */
  readonly usable: boolean;
}

/** A migration that was applied is not the one that this release brings under its number. */
export class ChangedMigrationError extends Error {
  override readonly name = "ChangedMigrationError";
}

/** Processes of older releases live that could not work on the schema any more. */
export class OlderProcessesError extends Error {
  override readonly name = "OlderProcessesError";
  constructor({ name, compatibleFrom }: Migration, processes: readonly string[]) {
    super(
      `migration ${name} is for releases that know ${compatibleFrom} or later, and there are older processes: ${processes.join("; ")}. ` +
        `Restart them with such a release, or stop them, and try again`,
    );
  }
}

/** A migration did not get its locks: somebody else holds them. */
export class MigrationLockError extends Error {
  override readonly name = "MigrationLockError";
  constructor(migration: string, seconds: number, holders: readonly string[]) {
    super(
      `migration ${migration} did not get its locks within ${seconds} s; nothing of it is applied. ` +
        `${holders.length === 0 ? "" : `The oldest open transactions: ${holders.join("; ")}. `}` +
        `Wait for them or end them (pg_terminate_backend), and try again`,
    );
  }
}

const folder = new URL("../migrations/", import.meta.url);
/** Any fixed number: the advisory lock that lets one process migrate at a time. */
const lockKey = 7_237_001;
/** What a statement of a migration waits for a lock at most: others queue up behind it meanwhile, ms. */
const lockTimeout = 1000;
/** Between two tries to get the locks: as long, and a random part. */
const lockPause = 500;
/** Seconds of tries before a migration is given up. */
const lockPatience = 120;

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
        compatibleFrom: declaredCompatibility(statements),
      };
    }),
  );
}

function declaredCompatibility(statements: string): number | null {
  const [, declared] = /^-- compatible-from: (\d+)$/m.exec(statements) ?? [];
  return declared === undefined ? null : Number(declared);
}

/** What this release says of itself to others: the number of its newest migration. */
export async function ownProtocol(): Promise<number> {
  return (await listMigrations()).at(-1)?.version ?? 0;
}

/**
 * Brings the database to this release's schema, while processes of releases that it leaves room for work on it. Each migration is
 * one transaction that waits for locks only briefly, and is tried again; an advisory lock makes concurrent callers wait for each
 * other, and those that come later find nothing to do, as does a release that the newer schema tolerates.
 * @param options.lockPatience seconds of tries to get the locks of a migration
 * @returns the names of the migrations that this call applied
 * @throws NewerDatabaseError, ChangedMigrationError, OlderProcessesError, MigrationLockError
 */
export async function migrate(
  database: Database,
  options: { readonly lockPatience?: number } = {},
): Promise<string[]> {
  const migrations = await listMigrations();
  const connection = await database.reserve();
  try {
    await connection`set statement_timeout = 0`;
    await connection`select pg_advisory_lock(${lockKey}::bigint)`;
    const applied: string[] = [];
    for (const migration of await pendingMigrations(connection, migrations)) {
      await applyWithPatience(connection, migration, options.lockPatience ?? lockPatience);
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
  const latest = migrations.at(-1)?.version ?? 0;
  const pending = migrations.filter(({ version }) => version > current).map(({ name }) => name);
  return { current, latest, pending, usable: pending.length === 0 && toleratesProtocol(applied, latest) };
}

async function pendingMigrations(sql: Sql, migrations: readonly Migration[]): Promise<Migration[]> {
  await sql`
    create table if not exists schema_migration (
      version integer primary key,
      name text not null,
      checksum text not null,
      apply_time timestamptz not null default now(),
      compatible_from integer
    )`;
  await addCompatibility(sql);
  const applied = await appliedMigrations(sql);
  const current = applied.at(-1)?.version ?? 0;
  const latest = migrations.at(-1)?.version ?? 0;
  if (!toleratesProtocol(applied, latest))
    throw new NewerDatabaseError(current, latest, shutOutBy(applied, latest));
  for (const { version, name, checksum } of applied.filter((one) => one.version <= latest)) {
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

/** Tables of the first releases have no such column. Only then is the table locked. */
async function addCompatibility(sql: Sql): Promise<void> {
  const found = await sql`
    select from pg_attribute where attrelid = 'schema_migration'::regclass and attname = 'compatible_from' and not attisdropped`;
  if (found.length === 0)
    await sql`alter table schema_migration add column if not exists compatible_from integer`;
}

/** A lock that cannot be had at once is let go again, so that whoever works waits a moment, and not until a long transaction ends. */
async function applyWithPatience(sql: Sql, migration: Migration, patience: number): Promise<void> {
  const until = performance.now() + patience * 1000;
  for (;;) {
    try {
      return await apply(sql, migration);
    } catch (error) {
      if (!isPassingConflict(error)) throw error;
      if (performance.now() > until)
        throw new MigrationLockError(migration.name, patience, await oldestTransactions(sql));
      await sleep(lockPause * (1 + Math.random()));
    }
  }
}

async function apply(sql: Sql, migration: Migration): Promise<void> {
  try {
    await sql`begin`;
    await sql`select set_config('lock_timeout', ${String(lockTimeout)}, true)`;
    if (migration.compatibleFrom !== null) await admitNoneBefore(sql, migration, migration.compatibleFrom);
    await sql.unsafe(migration.statements);
    await sql`insert into schema_migration (version, name, checksum, compatible_from)
      values (${migration.version}, ${migration.name}, ${migration.checksum}, ${migration.compatibleFrom})`;
    await sql`commit`;
  } catch (error) {
    await sql`rollback`.catch(() => undefined);
    throw error;
  }
}

/** @throws OlderProcessesError */
async function admitNoneBefore(sql: Sql, migration: Migration, protocol: number): Promise<void> {
  await closeAdmission(sql);
  const older = await olderProcesses(sql, protocol);
  if (older.length > 0) throw new OlderProcessesError(migration, older);
}

/** For the message: who may hold the locks. */
async function oldestTransactions(sql: Sql): Promise<string[]> {
  const rows = await sql<{ pid: number; applicationName: string; age: number }[]>`
    select pid, application_name, extract(epoch from now() - xact_start)::float8 as age from pg_stat_activity
    where datname = current_database() and xact_start is not null and pid <> pg_backend_pid() order by xact_start limit 3`;
  return rows.map(
    ({ pid, applicationName, age }) => `${applicationName}, pid ${pid}, for ${Math.round(age)} s`,
  );
}

async function unlock(sql: Sql): Promise<void> {
  // A connection that broke has lost the lock already.
  await sql`select pg_advisory_unlock(${lockKey}::bigint)`.catch(() => undefined);
  await sql`reset statement_timeout`.catch(() => undefined);
}
