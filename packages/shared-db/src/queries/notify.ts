import type { Sql } from "../sql.ts";

/**
 * Hints between processes, sent outside the writing transactions and never relied on: everybody polls as well.
 * `galaxy_jobs_new` carries the handler id or tag that has something to claim, `galaxy_jobs_stop` the server name of a handler
 * with a stop request, `galaxy_jobs_slots` nothing (a limit has a free slot), `galaxy_jobs_handlers` the
 * server name or tag of handlers whose jobs an administrator changed, `galaxy_jobs_changed` nothing (the job event feed has something new).
 */
export const channels = {
  newJobs: "galaxy_jobs_new",
  stopRequests: "galaxy_jobs_stop",
  freeSlots: "galaxy_jobs_slots",
  handlersChanged: "galaxy_jobs_handlers",
  jobsChanged: "galaxy_jobs_changed",
} as const;

export async function notify(
  sql: Sql,
  channel: (typeof channels)[keyof typeof channels],
  payload: string,
): Promise<void> {
  await sql`select pg_notify(${channel}, ${payload})`;
}
