import type postgres from "postgres";

/** bigint columns arrive as numbers: ids stay far below 2^53. */
export interface Types extends Record<string, unknown> {
  bigint: number;
}

/** What every query function takes first: the pool or a transaction, so that a caller composes them. */
export type Sql = postgres.ISql<Types>;
/** The pool itself: can begin transactions, listen and be closed. */
export type Database = postgres.Sql<Types>;
/** A part of a statement. */
export type Fragment = postgres.Fragment;
/** A value for a json or jsonb column. */
export type Json = postgres.JSONValue;

/** PostgreSQL's type number of bigint, for arrays of ids: `sql.array(ids, bigintOid)`. */
export const bigintOid = 20;
