import type { IndexHealth, ServerHealth, SnapshotHolder, TableHealth } from "@galaxy-jobs/shared-db";

/** What holds a snapshot and has no time is old after so many transactions. */
const manyTransactions = 1_000_000;
/** A transaction that does nothing for so long has probably been forgotten, seconds. */
const longIdle = 60;
/** Dead rows are too many from this multiple of the number at which autovacuum comes on. */
const deadRowsFactor = 5;
/** An index from this size on is looked at for empty space, bytes; its entries usually take 20 to 60 bytes. */
const indexBytes = 16 * 1024 * 1024;
const entryBytes = 200;

export interface DatabaseHealth {
  readonly server: ServerHealth;
  /** Oldest first. */
  readonly snapshots: readonly SnapshotHolder[];
  readonly tables: readonly TableHealth[];
  readonly indexes: readonly IndexHealth[];
}

export interface Advice {
  /** A `problem` makes the command fail; a `hint` does not. */
  readonly severity: "problem" | "hint";
  readonly words: string;
  readonly remedy: string;
}

/**
 * What an administrator should do about a database; problems first.
 * @param oldSnapshot a snapshot that is held for longer keeps too much from being removed, seconds
 */
export function adviseOn(
  { server, snapshots, tables, indexes }: DatabaseHealth,
  oldSnapshot: number,
): Advice[] {
  const isOld = ({ seconds, transactions }: SnapshotHolder) =>
    transactions !== null && (seconds === null ? transactions >= manyTransactions : seconds >= oldSnapshot);
  const advice = [
    ...(server.autovacuum ? [] : [autovacuumOff]),
    ...snapshots.flatMap((holder) => (isOld(holder) ? [onOldSnapshot(holder)] : onIdle(holder))),
    ...tables.flatMap((table) => onDeadRows(table, snapshots.find(isOld))),
    ...indexes.flatMap(onIndex),
    ...(server.seesAll ? [] : [seesOwnOnly]),
  ];
  return advice.toSorted((a, b) => Number(b.severity === "problem") - Number(a.severity === "problem"));
}

const autovacuumOff: Advice = {
  severity: "problem",
  words: "autovacuum is off: nobody removes dead rows, and claims become slow",
  remedy: "set autovacuum = on and track_counts = on in postgresql.conf, and reload",
};

const seesOwnOnly: Advice = {
  severity: "hint",
  words: "sessions of other roles cannot be seen, so one that holds an old snapshot may be missing here",
  remedy: "as a superuser: grant pg_read_all_stats to the role of database_connection",
};

function onOldSnapshot(holder: SnapshotHolder): Advice {
  const { kind, name, who, seconds, transactions, state } = holder;
  const since = seconds === null ? `${transactions} transactions` : inWords(seconds);
  return {
    severity: "problem",
    words: `${kind} ${name} (${who}${state === null ? "" : `, ${state}`}) has held a snapshot for ${since}: no row that died since can be removed`,
    remedy: endOf(holder),
  };
}

function onIdle(holder: SnapshotHolder): Advice[] {
  const { name, who, state, idleSeconds } = holder;
  if (state?.startsWith("idle in transaction") === true && (idleSeconds ?? 0) >= longIdle)
    return [
      {
        severity: "hint",
        words: `session ${name} (${who}) has done nothing in its transaction for ${inWords(idleSeconds!)}`,
        remedy: endOf(holder),
      },
    ];
  return [];
}

function endOf({ kind, name, who }: SnapshotHolder): string {
  const literal = `'${name.replaceAll("'", "''")}'`;
  switch (kind) {
    case "session":
      return `let its program end its transaction, or end it: select pg_terminate_backend(${name})`;
    case "prepared transaction":
      return `ask the transaction manager that prepared it, then commit prepared ${literal} or rollback prepared ${literal}`;
    case "replication slot":
      return who.endsWith("not in use")
        ? `if nothing will come back for it: select pg_drop_replication_slot(${literal})`
        : `see why its consumer does not keep up`;
    case "standby":
      return `end the long query on the standby, or set hot_standby_feedback = off there`;
  }
}

function onDeadRows({ name, deadRows, vacuumAt }: TableHealth, holder: SnapshotHolder | undefined): Advice[] {
  if (deadRows < vacuumAt * deadRowsFactor) return [];
  return [
    {
      severity: "problem",
      words: `table ${name} has ${deadRows} dead rows; autovacuum should have come at ${vacuumAt}`,
      remedy:
        holder === undefined
          ? `vacuum (analyze) ${name}; if it happens again, autovacuum is too slow or has too few workers (autovacuum_max_workers, autovacuum_vacuum_cost_limit)`
          : `end ${holder.kind} ${holder.name} first, then vacuum (analyze) ${name}`,
    },
  ];
}

function onIndex({ name, table, bytes, entries, valid }: IndexHealth): Advice[] {
  if (!valid)
    return [
      {
        severity: "problem",
        words: `index ${name} of ${table} is not valid: it is written and never used`,
        remedy: /_ccnew\d*$|_ccold\d*$/.test(name)
          ? `drop index concurrently ${name}`
          : `reindex index concurrently ${name}`,
      },
    ];
  if (bytes < indexBytes || bytes / Math.max(entries, 1) < entryBytes) return [];
  return [
    {
      severity: "hint",
      words: `index ${name} of ${table} takes ${Math.round(bytes / 1024 / 1024)} MB for ${entries} entries: most of it is empty`,
      remedy: `reindex index concurrently ${name}`,
    },
  ];
}

/** Seconds as people say them. */
export function inWords(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
