import type { JobRow } from "./rows.ts";
import type { Sql } from "./sql.ts";

/** Each column of a job that a row has: TypeScript sees to it that none is missing. */
const columns: Readonly<Record<keyof JobRow, true>> = {
  id: true,
  createTime: true,
  updateTime: true,
  userId: true,
  historyId: true,
  toolId: true,
  toolVersion: true,
  galaxyVersion: true,
  state: true,
  info: true,
  params: true,
  assignedHandler: true,
  assignedTag: true,
  handler: true,
  incarnationId: true,
  priority: true,
  ticket: true,
  fence: true,
  runFence: true,
  handlerDeaths: true,
  commandLine: true,
  jobRunnerName: true,
  jobRunnerExternalId: true,
  destinationId: true,
  destinationParams: true,
  destinationReason: true,
  waitReason: true,
  waitReasonTime: true,
  resubmitAfter: true,
  wantedDestination: true,
  handedTo: true,
  startTime: true,
  endTime: true,
  exitCode: true,
  jobMessages: true,
  toolStdout: true,
  toolStderr: true,
  jobStdout: true,
  jobStderr: true,
  traceback: true,
};

const keys = Object.keys(columns);
const names = keys.map((name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));

/**
 * The columns of a job, for a list of results. Results are never `*`: when a migration adds a column under a process that works,
 * PostgreSQL refuses a prepared statement whose result is another one now, and the driver, which tries again by itself, answers
 * with no rows.
 */
export function jobColumns(sql: Sql, table = "job") {
  return sql.unsafe(names.map((name) => `${table}.${name}`).join(", "));
}

/**
 * Makes jobs of the values of `jobColumns` and of text columns behind them, for statements that bring many jobs or jobs that stay
 * long. Such a job is a copy of one object and so has a shape; one that gets so many properties one by one, as the driver does it,
 * is a hash table of 2 kB.
 */
export function jobReader<More extends string = never>(
  ...more: readonly More[]
): (values: readonly unknown[]) => JobRow & Readonly<Record<More, string>> {
  const all = [...keys, ...more];
  // oxlint-disable-next-line unicorn/no-useless-spread -- what it spreads is such a hash table, and its copy is not
  const any = { ...Object.fromEntries(all.map((key) => [key, null as unknown])) };
  return (values) => {
    const job = { ...any };
    for (let index = 0; index < all.length; index += 1) job[all[index]!] = values[index];
    return job as unknown as JobRow & Readonly<Record<More, string>>;
  };
}
