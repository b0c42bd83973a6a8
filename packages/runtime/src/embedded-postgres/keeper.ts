import postgres from "postgres";
import { DATABASE, PORT, USER, type Cluster } from "./cluster.ts";

/** The name under which keepers appear in pg_stat_activity; they do not count as clients. */
const APPLICATION = "galaxy-jobs keeper";
/** Advisory lock of the database `galaxy`: shared by the living, exclusive for the one that stops the server. */
const PRESENCE_LOCK = 7_236_108_429;
/** How long a connection that its client has just closed may still be listed. */
const LINGERING = 1_000;

/** A connection that is kept open as long as its process wants the server: it holds the shared presence lock. */
export interface Keeper {
  readonly socketDirectory: string;
  /** Resolves when the connection is gone, for whatever reason. */
  readonly closed: Promise<void>;
  /**
   * Gives the shared lock back and tries for the exclusive one. True: nobody else is there, and nobody can come until this
   * connection ends.
   */
  becomeLast(): Promise<boolean>;
  close(): Promise<void>;
}

/** What a failed connection says about the server. */
export type Refusal = "absent" | "recovering" | "not-ready" | "fatal";

/** @throws the error of the attempt; see `refusalOf` */
export async function connectKeeper(cluster: Cluster, socketDirectory: string): Promise<Keeper> {
  let onClose: (() => void) | undefined;
  const closed = new Promise<void>((resolve) => (onClose = resolve));
  const sql = postgres({
    path: `${socketDirectory}/.s.PGSQL.${PORT}`,
    database: DATABASE,
    user: USER,
    password: cluster.password,
    max: 1,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 10,
    fetch_types: false,
    connection: { application_name: APPLICATION },
    onnotice: () => undefined,
    onclose: () => onClose?.(),
  });
  try {
    // Waits while the last one out stops the server, and then fails with it.
    await sql`select pg_advisory_lock_shared(${PRESENCE_LOCK}::bigint)`;
  } catch (error) {
    await sql.end({ timeout: 0 });
    throw error;
  }
  return {
    socketDirectory,
    closed,
    becomeLast: async () => {
      await sql`select pg_advisory_unlock_shared(${PRESENCE_LOCK}::bigint)`;
      const [row] = await sql<{ last: boolean }[]>`
        select pg_try_advisory_lock(${PRESENCE_LOCK}::bigint) as last`;
      return row?.last === true && !(await hasOtherClients(sql));
    },
    close: () => sql.end({ timeout: 1 }),
  };
}

export function refusalOf(error: unknown): Refusal {
  const code = (error as { code?: unknown }).code;
  switch (code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return "absent";
    // cannot_connect_now: starting up, shutting down, recovering
    case "57P03":
      return "recovering";
    // admin_shutdown, crash_shutdown, too_many_connections
    case "57P01":
    case "57P02":
    case "53300":
    case "ECONNRESET":
    case "EPIPE":
    case "EAGAIN":
    case "CONNECT_TIMEOUT":
    case "CONNECTION_CLOSED":
    case "CONNECTION_ENDED":
    case "CONNECTION_DESTROYED":
      return "not-ready";
    default:
      return "fatal";
  }
}

async function hasOtherClients(sql: postgres.Sql): Promise<boolean> {
  const deadline = performance.now() + LINGERING;
  for (;;) {
    const [row] = await sql<{ clients: number }[]>`
      select count(*)::int as clients from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name <> ${APPLICATION}`;
    if (row?.clients === 0) return false;
    if (performance.now() > deadline) return true;
    await sql`select pg_sleep(0.02)`;
  }
}
