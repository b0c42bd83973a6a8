import type { Sql } from "./sql.ts";
import { errorCode, sqlState } from "./sqlstate.ts";

/*
 * Which releases may work on one database at a time.
 *
 * The protocol number of a release is the number of its newest migration: whatever its processes say to those of other releases
 * through the database begins with a migration, if only with one that holds nothing but its declaration. A migration declares in a
 * line of its own
 *
 *     -- compatible-from: N
 *
 * the lowest protocol number of the processes that can work on the schema that it leaves. One that expands (a new table, a column
 * that is null or has a default) names a release from before it, so that older processes go on and may even be started anew. One
 * that contracts (drops or narrows what an earlier release used) names the first release that does without. It is not applied
 * while an older process lives, and an older process that finds it applied stops. A migration that declares nothing is one that
 * only its own release and later ones know how to work with: older processes do not start on it, those that run are left alone.
 */

export interface AppliedMigration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  /** The lowest protocol number that can work on it; null: not declared. */
  readonly compatibleFrom: number | null;
}

/** The database was migrated by a newer release, and this one cannot work on it. */
export class NewerDatabaseError extends Error {
  override readonly name = "NewerDatabaseError";
  readonly current: number;
  readonly latest: number;
  /** @param shutOut the migration that says so, if one does */
  constructor(current: number, latest: number, shutOut?: AppliedMigration) {
    const declared =
      shutOut === undefined
        ? ""
        : ` (${shutOut.name} is for releases that know ${shutOut.compatibleFrom} or later)`;
    super(
      `the database is at migration ${current}${declared}, this release knows them up to ${latest}: ` +
        `start a release that is at least as new as the one that migrated it`,
    );
    this.current = current;
    this.latest = latest;
  }
}

/** The advisory lock between starts of handlers, which share it, and a migration that shuts some out. */
const admissionLock = 7_237_002;

/** Any migration that says that a process of this protocol number can no longer work here. */
export function shutOutBy(
  applied: readonly AppliedMigration[],
  protocol: number,
): AppliedMigration | undefined {
  return applied.find(
    ({ version, compatibleFrom }) =>
      version > protocol && compatibleFrom !== null && compatibleFrom > protocol,
  );
}

/** Whether all that is newer than a protocol number says that it can work here. */
export function toleratesProtocol(applied: readonly AppliedMigration[], protocol: number): boolean {
  return applied.every(
    ({ version, compatibleFrom }) =>
      version <= protocol || (compatibleFrom !== null && compatibleFrom <= protocol),
  );
}

/** In order; none on an empty database. */
export async function appliedMigrations(sql: Sql): Promise<AppliedMigration[]> {
  try {
    // As one value, since a database that was last migrated long ago has no compatible_from.
    const rows = await sql<{ applied: AppliedMigration & { compatible_from?: number | null } }[]>`
      select to_jsonb(m) as applied from schema_migration m order by version`;
    return rows.map(({ applied: { version, name, checksum, compatible_from: compatibleFrom = null } }) => ({
      version,
      name,
      checksum,
      compatibleFrom,
    }));
  } catch (error) {
    if (errorCode(error) === sqlState.undefinedTable) return [];
    throw error;
  }
}

/** For a process that runs: @throws NewerDatabaseError when a migration meanwhile shuts it out */
export async function refuseIfShutOut(sql: Sql, protocol: number): Promise<void> {
  const applied = await appliedMigrations(sql);
  const shutOut = shutOutBy(applied, protocol);
  if (shutOut !== undefined) throw new NewerDatabaseError(applied.at(-1)!.version, protocol, shutOut);
}

/** Until the transaction's end no migration shuts a process out that is admitted in it. */
export async function holdAdmission(sql: Sql): Promise<void> {
  await sql`select pg_advisory_xact_lock_shared(${admissionLock}::bigint)`;
}

/** Until the transaction's end no handler is admitted. */
export async function closeAdmission(sql: Sql): Promise<void> {
  await sql`select pg_advisory_xact_lock(${admissionLock}::bigint)`;
}

/** What a process shows in pg_stat_activity: that is how one of the web tier, which has no row of its own, is known. */
export function applicationName(program: string, protocol: number, serverName: string): string {
  return `${program}/${protocol} ${serverName}`;
}

/** Those that live and have a lower protocol number, each in words. */
export async function olderProcesses(sql: Sql, protocol: number): Promise<string[]> {
  const [{ known } = { known: false }] = await sql<{ known: boolean }[]>`
    select to_regclass('handler_incarnation') is not null as known`;
  if (!known) return [];
  const handlers = await sql<{ serverName: string; hostname: string; version: string; protocol: number }[]>`
    select server_name, hostname, version, protocol from handler_incarnation
    where end_time is null and protocol < ${protocol} and heartbeat_time > now() - make_interval(secs => lease_seconds)
    order by server_name`;
  const connected = await sql<{ applicationName: string }[]>`
    select distinct application_name from pg_stat_activity
    where datname = current_database() and application_name ~ '^galaxy-web/[0-9]+ ' order by application_name`;
  const webs = connected
    .map((row) => /^galaxy-web\/(\d+) (.*)$/.exec(row.applicationName)!)
    .filter(([, number]) => Number(number) < protocol);
  return [
    ...handlers.map(
      ({ serverName, hostname, version, protocol: known }) =>
        `the handler ${serverName} on ${hostname} (release ${version}, migration ${known})`,
    ),
    ...webs.map(([, number, name]) => `the web process ${name} (migration ${number})`),
  ];
}
