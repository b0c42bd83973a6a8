import type { JobOwnership } from "../rows.ts";
import type { Sql } from "../sql.ts";
import { ownershipArrays } from "./ownership.ts";

export interface RecheckedJob {
  readonly id: number;
  /**
   * `gone`: it was given to somebody else; `asked`: its end was asked for; `input`: one of its inputs cannot be read any more.
   */
  readonly found: "gone" | "asked" | "input";
}

/** Looks again at claimed jobs that wait. @returns those that must not wait on as they did */
export async function recheckWaitingJobs(sql: Sql, jobs: readonly JobOwnership[]): Promise<RecheckedJob[]> {
  if (jobs.length === 0) return [];
  const { ids, fences } = ownershipArrays(sql, jobs);
  return sql<RecheckedJob[]>`
    select id, found from (
      select mine.id, case
        when job.id is null then 'gone'
        when job.state not in ('new', 'resubmitted') then 'asked'
        when exists (
          select from job_to_input_dataset i
          join history_dataset_association a on a.id = i.dataset_id
          join dataset d on d.id = a.dataset_id
          join dataset_state s on s.dataset_id = d.id
          where i.job_id = job.id and (a.deleted or d.deleted or d.purged or s.state not in ('ok', 'empty'))) then 'input'
        end as found
      from unnest(${ids}::bigint[], ${fences}::bigint[]) as mine (id, fence)
      left join job on job.id = mine.id and job.fence = mine.fence and job.incarnation_id is not null
    ) as looked_at
    where found is not null`;
}
