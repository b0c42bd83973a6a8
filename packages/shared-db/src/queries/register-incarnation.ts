import { errorCode, sqlState } from "../sqlstate.ts";
import { holdAdmission, refuseIfShutOut } from "../schema-compatibility.ts";
import type { Database, Sql } from "../sql.ts";
import { releaseUnstartedOf } from "./end-incarnation.ts";

/** Who a handler process is. `pidStartTime` and `bootId` tell its pid from a later process with the same number. */
export interface HandlerIdentity {
  readonly serverName: string;
  readonly hostname: string;
  readonly bootId: string;
  readonly pid: number;
  readonly pidStartTime: string;
  /** The tags it takes jobs of; `_default_` for untagged ones. */
  readonly tags: readonly string[];
  readonly version: string;
  /** The number of its release's newest migration: see schema-compatibility.ts. */
  readonly protocol: number;
  /** Seconds without a heartbeat after which others take over its jobs. */
  readonly leaseSeconds: number;
  /** Which job_working_directory it sees. */
  readonly runDirectoryId: string;
}

export interface LiveIncarnation {
  readonly id: number;
  readonly serverName: string;
  readonly hostname: string;
  readonly bootId: string;
  readonly pid: number;
  readonly pidStartTime: string;
  readonly startTime: Date;
  /** Seconds since its last heartbeat, by the database's clock. */
  readonly heartbeatAge: number;
  readonly leaseSeconds: number;
}

/** Another live process has this server name. */
export class ServerNameTakenError extends Error {
  override readonly name = "ServerNameTakenError";
  readonly holder: LiveIncarnation;
  constructor(holder: LiveIncarnation) {
    super(
      `the server name ${holder.serverName} is in use by process ${holder.pid} on ${holder.hostname} ` +
        `(last heartbeat ${holder.heartbeatAge.toFixed(0)} s ago): stop that handler first, or start this one with another --server-name`,
    );
    this.holder = holder;
  }
}

/**
 * Makes this process the one holder of its server name.
 * @param options.isGone asked about the present holder, if there is one: true when it is known to have ended. What it had only
 *   claimed goes back then; what it had started is for an adopter.
 * @param options.poisonLimit see `releaseUnstartedOf`
 * @returns the id of the new incarnation
 * @throws ServerNameTakenError, NewerDatabaseError
 */
export async function registerIncarnation(
  database: Database,
  identity: HandlerIdentity,
  {
    isGone,
    poisonLimit,
  }: { readonly isGone: (holder: LiveIncarnation) => boolean; readonly poisonLimit: number },
): Promise<number> {
  try {
    return await database.begin(async (sql) => {
      await holdAdmission(sql);
      await refuseIfShutOut(sql, identity.protocol);
      const holder = await lockHolder(sql, identity.serverName);
      if (holder !== undefined) {
        if (!isGone(holder)) throw new ServerNameTakenError(holder);
        await sql`update handler_incarnation set end_time = now(), end_reason = 'lost' where id = ${holder.id}`;
        await releaseUnstartedOf(sql, [holder.id], poisonLimit);
      }
      const [row] = await sql<{ id: number }[]>`
        insert into handler_incarnation (server_name, hostname, boot_id, pid, pid_start_time, tags, version, protocol,
          lease_seconds, run_directory_id)
        values (${identity.serverName}, ${identity.hostname}, ${identity.bootId}, ${identity.pid}, ${identity.pidStartTime},
          ${sql.array([...identity.tags])}, ${identity.version}, ${identity.protocol},
          ${identity.leaseSeconds}, ${identity.runDirectoryId})
        returning id`;
      return row!.id;
    });
  } catch (error) {
    if (errorCode(error) !== sqlState.uniqueViolation) throw error;
    // Lost a race against another start with the same name.
    const holder = await findHolder(database, identity.serverName);
    if (holder === undefined) throw error;
    throw new ServerNameTakenError(holder);
  }
}

async function lockHolder(sql: Sql, serverName: string): Promise<LiveIncarnation | undefined> {
  await sql`select 1 from handler_incarnation where server_name = ${serverName} and end_time is null for update`;
  return findHolder(sql, serverName);
}

async function findHolder(sql: Sql, serverName: string): Promise<LiveIncarnation | undefined> {
  const [holder] = await sql<LiveIncarnation[]>`
    select id, server_name, hostname, boot_id, pid, pid_start_time, start_time, lease_seconds,
      extract(epoch from now() - heartbeat_time)::float8 as heartbeat_age
    from handler_incarnation where server_name = ${serverName} and end_time is null`;
  return holder;
}
