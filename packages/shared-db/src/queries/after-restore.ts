import { terminalStates } from "../job-states.ts";
import type { Database } from "../sql.ts";

/** Processes of Galaxy are connected that should be stopped. */
export class InstanceRunsError extends Error {
  override readonly name = "InstanceRunsError";
  constructor(processes: readonly string[]) {
    super(`there are processes at work on this database: ${processes.join(", ")}; stop all of them first`);
  }
}

/** More claims than a job has had between a backup and its restore. */
const fenceGap = 1000;

/**
 * To be called between the restore of a backup and the first start. Whatever happened after the backup has left run directories
 * named `<job>.<fence>`, and a name must not be used twice: new jobs get ids, and jobs that have not ended get fences, that nothing
 * had before. Runs keep the fence that names their directory.
 * @param gap more jobs than were made between the backup and the restore
 * @returns the next job's least id, and how many jobs have not ended
 * @throws InstanceRunsError
 */
export async function passOverLostNames(
  database: Database,
  gap: number,
): Promise<{ readonly nextJob: number; readonly unfinished: number }> {
  return database.begin(async (sql) => {
    const connected = await sql<{ applicationName: string }[]>`
      select distinct application_name from pg_stat_activity
      where datname = current_database() and application_name ~ '^galaxy-(web|handler)/' order by application_name`;
    if (connected.length > 0) throw new InstanceRunsError(connected.map((row) => row.applicationName));
    const [sequence] = await sql<{ nextJob: number }[]>`
      select setval(pg_get_serial_sequence('job', 'id'), nextval(pg_get_serial_sequence('job', 'id')) + ${gap}, false) as next_job`;
    const rows = await sql<{ id: number }[]>`
      update job set fence = fence + ${fenceGap} where state <> all(${sql.array([...terminalStates])}) returning id`;
    return { nextJob: sequence!.nextJob, unfinished: rows.length };
  });
}
