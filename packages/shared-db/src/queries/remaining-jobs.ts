import type { JobState } from "../job-states.ts";
import type { Sql } from "../sql.ts";
import { meanRunSeconds } from "./roll-up-statistics.ts";
import { unclaimed } from "./unclaimed.ts";

/** A job that a handler has, or that waits for it and for nobody else. */
export interface RemainingJob {
  readonly id: number;
  readonly toolId: string;
  readonly state: JobState;
  readonly userEmail: string | null;
  /** False: assigned to the handler by name, and not taken. */
  readonly held: boolean;
  /** Since its start where it runs, else since its creation; seconds. */
  readonly elapsed: number;
  /** Handler or tag that it is offered to. */
  readonly handedTo: string | null;
  readonly waitReason: string | null;
}

/** What remains of a handler's jobs, those under way first. */
export async function remainingJobs(sql: Sql, serverName: string, limit: number): Promise<RemainingJob[]> {
  return sql<RemainingJob[]>`
    with mine as (
      select job.*, true as held from job
      where incarnation_id = any(array(select id from handler_incarnation where server_name = ${serverName}))
        and state in ('new', 'queued', 'running', 'deleting', 'stopping', 'resubmitted')
      union all
      select job.*, false from job where handler = ${serverName} and ${unclaimed(sql)}
      union all
      select job.*, false from job where assigned_handler = ${serverName} and state in ('waiting', 'paused')
    )
    select mine.id, tool_id, state, galaxy_user.email as user_email, held, handed_to, wait_reason,
      extract(epoch from now() - case when state in ('running', 'deleting', 'stopping') then coalesce(start_time, mine.create_time)
        else mine.create_time end)::float8 as elapsed
    from mine left join galaxy_user on galaxy_user.id = mine.user_id
    order by held desc, start_time nulls last, mine.id
    limit ${limit}`;
}

/** Days of the hourly statistics that an expectation is made of. */
const statisticsDays = 30;
/** Newest jobs among which those of a tool without statistics are looked for. */
const recentJobs = 100_000;

/**
 * How long runs of some tools usually take, seconds: the mean of the hourly statistics, or of the newest ok jobs where those
 * know nothing of a tool yet. A tool without either is left out.
 */
export async function expectedRunSeconds(sql: Sql, toolIds: readonly string[]): Promise<Map<string, number>> {
  const known = await meanRunSeconds(sql, toolIds, statisticsDays);
  const unknown = toolIds.filter((id) => !known.has(id));
  if (unknown.length === 0) return known;
  const rows = await sql<{ toolId: string; seconds: number }[]>`
    select tool_id, avg(extract(epoch from end_time - start_time))::float8 as seconds from job
    where id > (select max(id) from job) - ${recentJobs} and tool_id = any(${sql.array([...unknown])})
      and state = 'ok' and start_time is not null
    group by tool_id`;
  return new Map([...known, ...rows.map(({ toolId, seconds }) => [toolId, seconds] as const)]);
}
