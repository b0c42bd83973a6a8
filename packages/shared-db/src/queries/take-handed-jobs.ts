import { jobColumns } from "../job-columns.ts";
import type { JobRow } from "../rows.ts";
import type { Sql } from "../sql.ts";
import type { Adopter } from "./adopt-jobs.ts";

/**
 * Takes jobs under way that an administrator gave to this handler, or to a tag of it, from the live handler that has them, as
 * `adoptJobs` takes those of a dead one: the fence grows, so what that one still writes changes nothing, and `runFence` still
 * names the run directory. Processes of a machine are taken on that machine only, both only by somebody who sees the same run
 * directories. A job that is being started is left until it runs.
 */
export async function takeHandedJobs(sql: Sql, taker: Adopter): Promise<JobRow[]> {
  const { incarnationId, serverName, hostname, bootId, runDirectoryId } = taker;
  return sql<JobRow[]>`
    with me as (
      select id from handler_incarnation where id = ${incarnationId} and end_time is null for key share
    )
    update job set incarnation_id = ${incarnationId}, handler = ${serverName}, fence = fence + 1, handed_to = null,
      update_time = now()
    where id = any(array(
      select j.id from job j join handler_incarnation h on h.id = j.incarnation_id
      where j.handed_to = any(${sql.array([serverName, ...taker.tags])}) and j.state = 'running'
        and exists (select from me) and j.incarnation_id <> ${incarnationId}
        and h.run_directory_id in ('', ${runDirectoryId})
        and (((h.hostname = ${hostname} or (h.boot_id <> '' and h.boot_id = ${bootId}))
            and j.job_runner_name = any(${sql.array([...taker.runners])}))
          or j.job_runner_name = any(${sql.array([...taker.clusterRunners])}))
        and (j.handed_to = ${serverName} or not exists (select from handler_drain d where d.server_name = ${serverName}))
      order by j.id limit ${taker.limit}
      for no key update of j skip locked))
    and state = 'running' and handed_to is not null
    returning ${jobColumns(sql)}`;
}
