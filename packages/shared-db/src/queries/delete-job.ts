import { isTerminal, type JobState } from "../job-states.ts";
import type { Database, Sql } from "../sql.ts";
import { trimInfo } from "./finish-job.ts";
import { releaseDependents } from "./release-dependents.ts";

/** What became of a request to delete a job. */
export type DeletionResult =
  | { readonly outcome: "deleted" }
  /** Its handler has been asked, and confirms when nothing of the job runs any more. */
  | { readonly outcome: "deleting"; readonly handler: string }
  /** It had ended already. */
  | { readonly outcome: "ended"; readonly state: JobState }
  | { readonly outcome: "unknown" };

/**
 * Deletes a job that nobody holds at once, and asks the handler of one that somebody holds (galaxy.md 4.3). The row's lock
 * orders this against the handler's guarded writes, so a deletion that comes before the start prevents the start.
 * @param info why, for the user
 */
export async function requestJobDeletion(
  database: Database,
  jobId: number,
  info: string,
): Promise<DeletionResult> {
  return database.begin(async (sql) => {
    const [job] = await sql<{ state: JobState; handler: string | null; incarnationId: number | null }[]>`
      select state, handler, incarnation_id from job where id = ${jobId} for no key update`;
    if (job === undefined) return { outcome: "unknown" };
    if (job.state === "deleting") return { outcome: "deleting", handler: job.handler! };
    if (isTerminal(job.state)) return { outcome: "ended", state: job.state };
    if (job.incarnationId !== null) {
      await changeTo(sql, jobId, "deleting", info);
      return { outcome: "deleting", handler: job.handler! };
    }
    await changeTo(sql, jobId, "deleted", info);
    await sql`update dataset set state = 'discarded', deleted = true, update_time = now() where job_id = ${jobId} and state = 'new'`;
    await releaseDependents(sql, [jobId]);
    return { outcome: "deleted" };
  });
}

/** The caller holds the row's lock and has checked its state. */
async function changeTo(sql: Sql, jobId: number, state: "deleting" | "deleted", info: string): Promise<void> {
  await sql`
    with changed as (
      update job set state = ${state}, info = ${trimInfo(info)}, update_time = now(),
        end_time = case when ${state === "deleted"} then now() end
      where id = ${jobId} returning id, state, info
    )
    insert into job_state_history (job_id, state, info) select id, state, info from changed`;
}

/** The jobs of an incarnation that somebody asked to end. */
export async function jobsToStop(
  sql: Sql,
  incarnationId: number,
): Promise<{ id: number; fence: number; state: JobState }[]> {
  return sql`
    select id, fence, state from job where incarnation_id = ${incarnationId} and state in ('deleting', 'stopping') order by id`;
}
