import postgres from "postgres";
import { answeringSocket } from "./answering-socket.ts";
import { bigintOid, type Database } from "./sql.ts";

/** Where a PostgreSQL server is found. `host` is a name, an address, or a folder (starting with /) that holds its unix socket. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  readonly ssl?: "require" | "prefer" | "verify-full" | false;
}

export interface OpenOptions {
  /** Shown in pg_stat_activity, to tell the processes apart. */
  readonly applicationName: string;
  /** Connections at most; default 10. */
  readonly maxConnections?: number;
  /** A statement that takes longer is cancelled by the server; ms, default 60,000. */
  readonly statementTimeout?: number;
  /** Seconds to wait for a connection; default 10. */
  readonly connectTimeout?: number;
  /** Called with each NOTICE of the server. */
  readonly onNotice?: (message: string) => void;
}

/**
 * Opens a connection pool. A connection on which the server does not answer for longer than a statement may take is given up;
 * with TLS that is left to the kernel. No connection is made before the first query, and a lost one is replaced by itself, so the pool
 * outlives a restart of the server; queries under way then fail with an error that `isConnectionError` knows.
 * Column names arrive in camel case; undefined parameters are null.
 */
export function openDatabase(address: DatabaseAddress, options: OpenOptions): Database {
  const unixSocket = address.host.startsWith("/") ? `${address.host}/.s.PGSQL.${address.port}` : undefined;
  const statementTimeout = options.statementTimeout ?? 60_000;
  const ssl = unixSocket === undefined ? (address.ssl ?? false) : false;
  const to = unixSocket === undefined ? { host: address.host, port: address.port } : { path: unixSocket };
  const patience = statementTimeout + Math.min(10_000, statementTimeout / 2);
  const database = postgres<{ bigint: postgres.PostgresType<number> }>({
    ...(unixSocket === undefined ? { host: address.host, port: address.port } : { path: unixSocket }),
    database: address.database,
    user: address.user,
    password: address.password ?? "",
    ssl,
    // Missing in the driver's types.
    ...(ssl === false ? { socket: () => answeringSocket(to, patience) } : {}),
    max: options.maxConnections ?? 10,
    connect_timeout: options.connectTimeout ?? 10,
    keep_alive: 30,
    idle_timeout: 600,
    // A retry that is soon: a restarted server is used within a second.
    backoff: (retries: number) => Math.min(0.1 * 1.5 ** retries, 1),
    connection: {
      application_name: options.applicationName,
      statement_timeout: statementTimeout,
      idle_in_transaction_session_timeout: 120_000,
      TimeZone: "UTC",
    },
    types: {
      bigint: { to: bigintOid, from: [bigintOid], serialize: String, parse: Number },
    },
    transform: { undefined: null, column: { from: postgres.toCamel } },
    onnotice: (notice) => options.onNotice?.(String(notice["message"])),
  });
  knowArrays(database);
  addresses.set(database, address);
  return database;
}

const addresses = new WeakMap<Database, DatabaseAddress>();

/** Where a pool is connected to, for a second one to the same place. @throws Error for one that `openDatabase` did not open */
export function addressOf(database: Database): DatabaseAddress {
  const address = addresses.get(database);
  if (address === undefined) throw new Error("this pool was not opened by openDatabase");
  return address;
}

/**
 * The driver asks the server for its array types on the first connection, and sends the query that opened it before it has
 * read the answer: arrays in that query would go as text. Those that we send are known beforehand.
 */
function knowArrays(database: Database): void {
  const { shared, serializers } = database.options as unknown as DriverState;
  for (const [type, arrayType] of arrayTypes) {
    shared.typeArrayMap[type] = arrayType;
    serializers[arrayType] = (values) => `{${values.map(arrayElement).join(",")}}`;
  }
}

interface DriverState {
  readonly shared: { readonly typeArrayMap: Record<number, number> };
  readonly serializers: Record<number, (values: readonly unknown[]) => string>;
}

/** The numbers of text and bigint, and those of their arrays. */
const arrayTypes = [
  [25, 1009],
  [bigintOid, 1016],
] as const;

function arrayElement(value: unknown): string {
  return value === null ? "null" : `"${String(value).replaceAll(/["\\]/g, "\\$&")}"`;
}
