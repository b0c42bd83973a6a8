import {
  indexHealth,
  serverHealth,
  snapshotHolders,
  tableHealth,
  type Database,
} from "@galaxy-jobs/shared-db";
import { adviseOn, inWords, type Advice, type DatabaseHealth } from "../database-advice.ts";
import { cell, printRows } from "../output.ts";

/** Of snapshots and indexes so many are shown to people. */
const most = 10;

/**
 * What keeps the database from staying quick, and what to do about it.
 * @returns whether there is no problem
 */
export async function showHealth(
  database: Database,
  { json, oldSnapshot }: { readonly json: boolean; readonly oldSnapshot: number },
): Promise<boolean> {
  const health = await readHealth(database);
  const advice = adviseOn(health, oldSnapshot);
  const healthy = advice.every(({ severity }) => severity !== "problem");
  if (json) process.stdout.write(`${JSON.stringify({ healthy, ...health, advice }, undefined, 2)}\n`);
  else print(health, advice);
  return healthy;
}

async function readHealth(database: Database): Promise<DatabaseHealth> {
  return {
    server: await serverHealth(database),
    snapshots: await snapshotHolders(database),
    tables: await tableHealth(database),
    indexes: await indexHealth(database),
  };
}

function print({ server, snapshots, tables, indexes }: DatabaseHealth, advice: readonly Advice[]): void {
  const title = (text: string) => process.stdout.write(`\n${text}\n`);
  process.stdout.write(
    `PostgreSQL ${cell(server.version)}, autovacuum ${server.autovacuum ? "on" : "off"}\n`,
  );
  title("Who holds a snapshot, oldest first");
  printRows(
    snapshots.slice(0, most),
    [
      { title: "what", value: ({ kind, name }) => `${kind} ${name}` },
      { title: "who", value: ({ who }) => who },
      { title: "state", value: ({ state }) => state },
      { title: "for", value: ({ seconds }) => (seconds === null ? null : inWords(seconds)) },
      { title: "transactions since", value: ({ transactions }) => transactions },
    ],
    false,
  );
  title("Tables");
  printRows(
    tables,
    [
      { title: "table", value: ({ name }) => name },
      { title: "rows", value: ({ liveRows }) => liveRows },
      { title: "dead", value: ({ deadRows }) => deadRows },
      { title: "vacuum at", value: ({ vacuumAt }) => vacuumAt },
      { title: "last vacuum", value: ({ lastVacuum }) => lastVacuum ?? "never" },
      { title: "MB", value: ({ tableBytes }) => megabytes(tableBytes) },
      { title: "MB of indexes", value: ({ indexBytes }) => megabytes(indexBytes) },
    ],
    false,
  );
  title(`The ${Math.min(most, indexes.length)} largest indexes`);
  printRows(
    indexes.slice(0, most),
    [
      { title: "index", value: ({ name }) => name },
      { title: "table", value: ({ table }) => table },
      { title: "entries", value: ({ entries }) => entries },
      { title: "MB", value: ({ bytes }) => megabytes(bytes) },
    ],
    false,
  );
  title("Advice");
  if (advice.length === 0) process.stdout.write("none: nothing to do\n");
  for (const { severity, words, remedy } of advice)
    process.stdout.write(`${severity}: ${cell(words)}\n    ${cell(remedy)}\n`);
}

function megabytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}
