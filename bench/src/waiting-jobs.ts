import { bootId } from "@galaxy-jobs/runtime";
import {
  claimJobsSkippingLocked,
  ensureDefaultHistory,
  ensureUser,
  registerIncarnation,
  type ClaimRequest,
  type Database,
  type JobRow,
} from "@galaxy-jobs/shared-db";

/** The tag of untagged handlers: what the jobs of a bench are assigned to. */
export const tag = "_default_";

/** Jobs that wait to be claimed, in bulk, with the tickets that they would get one after the other. @returns the id of the first */
export async function insertWaitingJobs(
  sql: Database,
  jobs: number,
  { user = "bench@example.org", toolId = "noop" }: { user?: string; toolId?: string } = {},
): Promise<number> {
  const owner = await ensureUser(sql, user);
  const history = await ensureDefaultHistory(sql, owner.id);
  const [first] = await sql<{ id: number }[]>`
    with made as (
      insert into job (user_id, history_id, tool_id, tool_version, galaxy_version, state, assigned_handler, handler, ticket)
      select ${owner.id}, ${history.id}, ${toolId}, '1.0', 'bench', 'new', ${tag}, ${tag}, first_ticket + 1000 * (at - 1)
      from generate_series(1, ${jobs}::bigint) at, (select next_ticket(${tag}, ${owner.id}, 10) as first_ticket offset 0) t
      returning id
    ), told as (
      insert into job_state_history (job_id, state) select id, 'new' from made
    )
    select min(id) as id from made`;
  return first!.id;
}

/**
 * Rows of jobs that waited, were taken in the order of their tickets, and were deleted: what is left of them stays while somebody's snapshot may
 * still see them.
 */
export async function makeDeadJobs(sql: Database, rows: number): Promise<void> {
  const owner = await ensureUser(sql, "dead@example.org");
  await sql`
    insert into job (user_id, tool_id, tool_version, galaxy_version, state, assigned_handler, handler, ticket)
    select ${owner.id}, 'noop', '1.0', 'bench', 'new', ${tag}, ${tag}, 1000::bigint * at from generate_series(1, ${rows}::int) at`;
  await sql`delete from job where user_id = ${owner.id}`;
  await sql`insert into pool_virtual_time (pool, ticket) values (${tag}, 1000::bigint * ${rows}::int)`;
}

/** Jobs that ended long ago, in bulk, each with its history of states. */
export async function insertFinishedJobs(sql: Database, jobs: number): Promise<void> {
  const owner = await ensureUser(sql, "bench@example.org");
  const history = await ensureDefaultHistory(sql, owner.id);
  const step = 250_000;
  for (let made = 0; made < jobs; made += step)
    await sql`
      with made as (
        insert into job (user_id, history_id, tool_id, tool_version, galaxy_version, state, assigned_handler, handler, fence,
          start_time, end_time, exit_code, command_line)
        select ${owner.id}, ${history.id}, 'noop', '1.0', 'bench', 'ok', ${tag}, 'handler0', 1,
          now() - interval '1 day', now() - interval '1 day', 0, 'true'
        from generate_series(1, ${Math.min(step, jobs - made)}::int)
        returning id
      )
      insert into job_state_history (job_id, state)
      select id, state from made, unnest(array['new', 'queued', 'running', 'ok']) as state`;
  await sql`vacuum (analyze) job`;
}

/** A handler as the database knows it, without a process. @returns how it claims */
export async function registerClaimer(
  sql: Database,
  serverName: string,
  limit: number,
): Promise<ClaimRequest> {
  const incarnationId = await registerIncarnation(
    sql,
    {
      serverName,
      hostname: "bench",
      bootId: bootId(),
      pid: process.pid,
      pidStartTime: "0",
      tags: [tag],
      version: "bench",
      protocol: 1,
      leaseSeconds: 86_400,
      runDirectoryId: "bench",
    },
    { isGone: () => true, poisonLimit: 3 },
  );
  return { incarnationId, serverName, tags: [tag], limit };
}

/** What a handler does to get jobs when it looks from the first one on. */
export function claimAs(sql: Database, request: ClaimRequest): Promise<JobRow[]> {
  return claimJobsSkippingLocked(sql, request);
}
