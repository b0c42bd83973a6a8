import { jobColumns, jobReader } from "../job-columns.ts";
import type { Sql } from "../sql.ts";
import type { JobRow } from "../rows.ts";

/** Who adopts, and what it can reach. */
export interface Adopter {
  readonly incarnationId: number;
  readonly serverName: string;
  readonly hostname: string;
  readonly bootId: string;
  readonly runDirectoryId: string;
  readonly tags: readonly string[];
  /** Runners it has, whose runs are processes of one machine, or belong to a cluster. */
  readonly runners: readonly string[];
  readonly clusterRunners: readonly string[];
  /** Jobs at most. */
  readonly limit: number;
}

const adoptedJob = jobReader();

/**
 * Takes over jobs that ended incarnations left under way, oldest first, and stop requests not carried out (galaxy.md 4.13; the
 * neighbours are ours): those with processes of one machine on that machine only, those of a cluster in the same pool, both
 * only by somebody who sees the same run directories; what has no run is for anybody. The fence grows, so a late write of the
 * earlier process changes nothing; a drained handler takes only what it had itself; `runFence` still names the run directory. A job that was queued when its handler died is
 * counted, since it may be what killed it.
 */
export async function adoptJobs(sql: Sql, adopter: Adopter): Promise<JobRow[]> {
  const { incarnationId, serverName, hostname, bootId, runDirectoryId } = adopter;
  const rows = await sql`
    with me as (
      select id from handler_incarnation where id = ${incarnationId} and end_time is null for key share
    ), left_behind as (
      select j.id, h.end_reason = 'lost' as lost
      from job j join handler_incarnation h on h.id = j.incarnation_id
      where h.settled_time is null and h.end_time is not null and exists (select from me)
        and j.state in ('new', 'resubmitted', 'queued', 'running', 'deleting', 'stopping')
        and (h.server_name = ${serverName} or not exists (select from handler_drain d where d.server_name = ${serverName}))
        and (
          j.run_fence is null or j.state in ('new', 'resubmitted')
          or (h.run_directory_id in ('', ${runDirectoryId}) and (
            (((h.boot_id <> '' and h.boot_id = ${bootId}) or h.hostname = ${hostname})
              and (h.server_name = ${serverName} or j.job_runner_name = any(${sql.array([...adopter.runners])})))
            or (j.job_runner_name = any(${sql.array([...adopter.clusterRunners])})
              and (h.server_name = ${serverName} or h.tags && ${sql.array([...adopter.tags])}::text[]))))
        )
      order by j.id limit ${adopter.limit}
      for update of j skip locked
    )
    update job set incarnation_id = ${incarnationId}, handler = ${serverName}, handed_to = null, fence = fence + 1, update_time = now(),
      handler_deaths = handler_deaths + (state = 'queued' and left_behind.lost)::int
    from left_behind where job.id = left_behind.id
    returning ${jobColumns(sql)}`.values();
  return rows.map((values) => adoptedJob(values)).toSorted((a, b) => a.id - b.id);
}
