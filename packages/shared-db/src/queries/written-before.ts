import type { JobState } from "../job-states.ts";
import type { JobOwnership } from "../rows.ts";
import type { Sql } from "../sql.ts";
import { ownershipArrays } from "./ownership.ts";

/**
 * Of jobs that a guarded write left unchanged, those that are in its state under the same ownership already: an earlier call has
 * written them, and its answer was lost with the connection.
 */
export async function writtenBefore(
  sql: Sql,
  jobs: readonly JobOwnership[],
  written: ReadonlySet<number>,
  state: JobState,
): Promise<number[]> {
  const others = jobs.filter(({ id }) => !written.has(id));
  if (others.length === 0) return [];
  const { ids, fences } = ownershipArrays(sql, others);
  const rows = await sql<{ id: number }[]>`
    select job.id from job join unnest(${ids}::bigint[], ${fences}::bigint[]) as mine (id, fence)
      on job.id = mine.id and job.fence = mine.fence
    where job.id = any(${ids}::bigint[]) and job.state || '' = ${state}`;
  return rows.map(({ id }) => id);
}
