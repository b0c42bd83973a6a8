import type { Sql } from "../sql.ts";
import type { JobRow } from "../rows.ts";

/**
 * Gives a new incarnation all that earlier ones of its server name left behind: jobs in hand and stop requests not carried
 * out (galaxy.md 4.13). The fence grows, so a late write of the earlier process changes nothing; `runFence` still names the
 * run directory.
 */
export async function adoptJobsOfName(
  sql: Sql,
  incarnationId: number,
  serverName: string,
): Promise<JobRow[]> {
  return sql<JobRow[]>`
    update job set incarnation_id = ${incarnationId}, fence = fence + 1, update_time = now()
    where state in ('new', 'resubmitted', 'queued', 'running', 'deleting', 'stopping')
      and incarnation_id in (
        select id from handler_incarnation where server_name = ${serverName} and id <> ${incarnationId} and end_time is not null)
    returning *`;
}
