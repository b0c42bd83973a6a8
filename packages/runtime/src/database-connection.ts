import os from "node:os";

/** How to reach a PostgreSQL server. */
export interface DatabaseConnection {
  /** A host name or address, or a folder (starting with `/`) for a unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  readonly ssl?: "require" | "prefer" | "verify-full" | false;
}

const EXAMPLE = "write for example postgresql://galaxy:password@localhost:5432/galaxy";

/**
 * Reads a database URL in SQLAlchemy's or libpq's spelling: `postgresql://u:p@h:5432/db?sslmode=require`,
 * `postgresql+psycopg2://…`, `postgres://…`, `postgresql:///db?host=/var/run/postgresql`.
 *
 * @throws Error without any part of the password in it
 */
export function parseDatabaseConnection(url: string): DatabaseConnection {
  const parts = /^([a-z0-9]+)(?:\+[a-z0-9_]+)?:\/\/([^?]*)(?:\?(.*))?$/is.exec(url.trim());
  const scheme = parts?.[1]?.toLowerCase();
  if (scheme !== undefined && ["sqlite", "mysql", "mariadb", "oracle", "mssql"].includes(scheme)) {
    throw new Error(`only PostgreSQL is supported, not ${scheme}; ${EXAMPLE}`);
  }
  if (parts === null || (scheme !== "postgresql" && scheme !== "postgres")) {
    throw new Error(`this is not a PostgreSQL URL; ${EXAMPLE}`);
  }
  const [, , body = "", search = ""] = parts;
  // The last @, so that a password with an unescaped @ or / is still read as it was meant.
  const split = body.lastIndexOf("@");
  const credentials = split < 0 ? "" : body.slice(0, split);
  const [authority = "", ...path] = body.slice(split + 1).split("/");
  const query = new URLSearchParams(search);
  const { host, port } = readAuthority(authority, query);
  const colon = credentials.indexOf(":");
  const user =
    decode(colon < 0 ? credentials : credentials.slice(0, colon)) ||
    (query.get("user") ?? os.userInfo().username);
  const password = colon < 0 ? query.get("password") : decode(credentials.slice(colon + 1));
  const ssl = readSslMode(query.get("sslmode"));
  return {
    host,
    port,
    database: decode(path.join("/")) || (query.get("dbname") ?? user),
    user,
    ...(password === null || password === "" ? {} : { password }),
    ...(ssl === undefined ? {} : { ssl }),
  };
}

function readAuthority(authority: string, query: URLSearchParams): { host: string; port: number } {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority);
  if (match === null) throw new Error(`its host and port cannot be read; ${EXAMPLE}`);
  const host = decode(match[1] ?? "").replaceAll(/^\[|\]$/g, "") || (query.get("host") ?? "localhost");
  const port = Number(match[2] || (query.get("port") ?? 5432));
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`${port} is not a port; ${EXAMPLE}`);
  return { host, port };
}

function readSslMode(mode: string | null): DatabaseConnection["ssl"] {
  switch (mode) {
    case null:
    case "":
      return undefined;
    case "disable":
      return false;
    case "allow":
    case "prefer":
      return "prefer";
    case "require":
      return "require";
    case "verify-ca":
    case "verify-full":
      return "verify-full";
    default:
      throw new Error(`sslmode ${mode} is unknown; use disable, prefer, require or verify-full`);
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
