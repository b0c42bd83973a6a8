import postgres from "postgres";
import { parse as parseArray } from "postgres-array";
import { answeringSocket, answeringTlsSocket, type TlsMode } from "./answering-socket.ts";
import { bigintOid, type Database, type Types } from "./sql.ts";

/** Where a PostgreSQL server is found. `host` is a name, an address, or a folder (starting with /) that holds its unix socket. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  readonly ssl?: TlsMode | false;
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
  /** A connection stays the same one until it breaks or is closed: what belongs to a session, e.g. an advisory lock, may lie in it. */
  readonly lasting?: boolean;
}

/** The arrays that statements take and answer. Others in a result arrive as PostgreSQL writes them. */
const arrayTypes = {
  textArray: arrayOf<string>({ arrayType: 1009, read: String, write: quoted }),
  bigintArray: arrayOf<number>({ arrayType: 1016, read: Number, write: String }),
};
/** From PostgreSQL's number of a type to that of its arrays. */
const typeArrayMap = { 25: arrayTypes.textArray.to, [bigintOid]: arrayTypes.bigintArray.to };

function arrayOf<T>({
  arrayType,
  read,
  write,
}: {
  arrayType: number;
  read(element: string): T;
  write(element: T): string;
}) {
  return {
    to: arrayType,
    from: [arrayType],
    serialize: (values: readonly (T | null)[]) =>
      `{${values.map((value) => (value === null ? "null" : write(value))).join(",")}}`,
    parse: (literal: string): T[] => parseArray(literal, read),
  };
}

function quoted(text: string): string {
  const isPlain = !text.includes('"') && !text.includes("\\");
  return isPlain ? `"${text}"` : `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

/**
 * Opens a connection pool. A connection on which the server does not answer for longer than a statement may take is given up.
 * No connection is made before the first query, and a lost one is replaced by itself, so the pool
 * outlives a restart of the server; queries under way then fail with an error that `isConnectionError` knows.
 * Column names arrive in camel case; undefined parameters are null.
 */
export function openDatabase(address: DatabaseAddress, options: OpenOptions): Database {
  const unixSocket = address.host.startsWith("/") ? `${address.host}/.s.PGSQL.${address.port}` : undefined;
  const statementTimeout = options.statementTimeout ?? 60_000;
  const tls = unixSocket === undefined ? (address.ssl ?? false) : false;
  const patience = statementTimeout + Math.min(10_000, statementTimeout / 2);
  const { host, port } = address;
  const place = unixSocket === undefined ? { host, port } : { path: unixSocket };
  const connectTimeout = options.connectTimeout ?? 10;
  const makeSocket = () =>
    tls === false
      ? answeringSocket(place, patience)
      : answeringTlsSocket({ host, port }, tls, { patience, timeout: connectTimeout * 1000 });
  // Missing in the driver's types.
  const ownSocket = { socket: makeSocket };
  const database: Database = postgres<{ bigint: postgres.PostgresType<number> }>({
    ...place,
    database: address.database,
    user: address.user,
    password: address.password ?? "",
    // The socket is secured already.
    ssl: false,
    ...ownSocket,
    max: options.maxConnections ?? 10,
    connect_timeout: connectTimeout,
    keep_alive: 30,
    ...(options.lasting === true ? { idle_timeout: 0, max_lifetime: null } : { idle_timeout: 600 }),
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
      ...arrayTypes,
    },
    // Otherwise each connection begins with a query for the types of arrays, whose failure nobody handles: it ends the process.
    fetch_types: false,
    transform: { undefined: null, column: { from: postgres.toCamel } },
    onnotice: (notice) => options.onNotice?.(String(notice["message"])),
  });
  // Also missing in its types.
  const { shared } = database.options as unknown as { shared: { typeArrayMap: Record<number, number> } };
  Object.assign(shared.typeArrayMap, typeArrayMap);
  opened.set(database, { address, options });
  database.reserve = () => Promise.resolve(reserveConnection(database));
  return database;
}

const opened = new WeakMap<Database, { readonly address: DatabaseAddress; readonly options: OpenOptions }>();

function howOpened(database: Database) {
  const how = opened.get(database);
  if (how === undefined) throw new Error("this pool was not opened by openDatabase");
  return how;
}

/** Where a pool is connected to, for a second one to the same place. @throws Error for one that `openDatabase` did not open */
export function addressOf(database: Database): DatabaseAddress {
  return howOpened(database).address;
}

/**
 * A pool of one connection beside another pool, to the same place: for what is asked again and again, so that it meets a process of
 * the server that knows its statements. The connections of a pool take turns. What is sent to it without waiting for an answer is
 * carried out in this order.
 * @throws Error for a pool that `openDatabase` did not open
 */
export function openLine(database: Database): Database {
  const { address, options } = howOpened(database);
  return openDatabase(address, { ...options, maxConnections: 1, lasting: true });
}

/** In place of the driver's own, which hangs on a pool that has not connected yet and leaves types alone: a connection beside the pool. */
function reserveConnection(database: Database): postgres.ReservedSql<Types> {
  const connection = openLine(database);
  return Object.assign(connection, {
    release: () => void connection.end({ timeout: 5 }).catch(() => undefined),
  });
}
