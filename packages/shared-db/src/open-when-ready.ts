import { openDatabase, type DatabaseAddress, type OpenOptions } from "./open-database.ts";
import type { Database } from "./sql.ts";
import { errorCode, isConnectionError, sqlState } from "./sqlstate.ts";

/** The database did not answer within the time given, or refused us. */
export class DatabaseUnavailableError extends Error {
  override readonly name = "DatabaseUnavailableError";
}

/**
 * Opens the pool and waits until the server answers, for a service that may start before its database.
 * @param options.deadline ms; default 60,000
 * @param options.onWait told of each failed attempt, with the ms until the next
 * @throws DatabaseUnavailableError that names the address and what to look at
 */
export async function openWhenReady(
  address: DatabaseAddress,
  options: OpenOptions & {
    readonly deadline?: number;
    readonly onWait?: (reason: string, wait: number) => void;
  },
): Promise<Database> {
  const database = openDatabase(address, options);
  const until = performance.now() + (options.deadline ?? 60_000);
  for (let wait = 200; ; wait = Math.min(wait * 2, 5_000)) {
    try {
      await database`select 1`;
      return database;
    } catch (error) {
      const left = until - performance.now();
      if (!isConnectionError(error) || left <= 0) {
        await database.end({ timeout: 1 }).catch(() => undefined);
        throw new DatabaseUnavailableError(explain(address, error), { cause: error });
      }
      const pause = Math.min(wait * (0.75 + Math.random() / 2), left);
      options.onWait?.(messageOf(error), Math.round(pause));
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

function explain(address: DatabaseAddress, error: unknown): string {
  const place = `${address.user}@${address.host}:${address.port}/${address.database}`;
  const code = errorCode(error);
  const remedies: Record<string, string> = {
    [sqlState.invalidCatalogName]: `create it (createdb ${address.database}) or mend database_connection`,
    [sqlState.invalidPassword]: "check user and password in database_connection",
    [sqlState.invalidAuthorization]: "check the user in database_connection and the server's pg_hba.conf",
  };
  const remedy =
    (code === undefined ? undefined : remedies[code]) ??
    "check that PostgreSQL runs there, and database_connection in galaxy.yml";
  return `cannot use the database ${place}: ${messageOf(error)}; ${remedy}`;
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message === "" ? (errorCode(error) ?? "no answer") : message;
}
