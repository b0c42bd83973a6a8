import type { Sql } from "../sql.ts";

/** Whether there is anything for the statements that move jobs by other ways than a claim. */
export interface OnOffer {
  /** For `offerUnassignedJobs`. */
  readonly unassigned: boolean;
  /** For `releaseJobsIfDrained`. */
  readonly drained: boolean;
  /** For `takeHandedJobs`. */
  readonly handed: boolean;
}

/**
 * One look instead of three statements that mostly find nothing: an idle handler shall ask little.
 * @param handler.messageAge seconds that a message may take
 */
export async function jobsOnOffer(
  sql: Sql,
  handler: {
    readonly incarnationId: number;
    readonly serverName: string;
    readonly tags: readonly string[];
    readonly messageAge: number;
  },
): Promise<OnOffer> {
  const { incarnationId, serverName, tags, messageAge } = handler;
  const [row] = await sql<OnOffer[]>`
    select
      exists (
        select from job where state = 'new' and handler is null and incarnation_id is null
          and assigned_handler = any(${sql.array([...tags])}) and update_time < now() - make_interval(secs => ${messageAge})
      ) as unassigned,
      exists (select from handler_drain where server_name = ${serverName})
        and exists (select from job where incarnation_id = ${incarnationId} and state in ('new', 'resubmitted')) as drained,
      exists (select from job where handed_to = any(${sql.array([serverName, ...tags])}) and state = 'running') as handed`;
  return row!;
}
