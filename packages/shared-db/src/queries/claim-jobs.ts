import { jobColumns, jobReader } from "../job-columns.ts";
import { bigintOid, type Database, type Fragment, type Json, type Sql } from "../sql.ts";
import type { JobRow } from "../rows.ts";
import { virtualTime } from "./virtual-time.ts";

export interface ClaimRequest {
  readonly incarnationId: number;
  readonly serverName: string;
  /** What it listens to besides its own name: tags, `_default_` among them for untagged handlers. */
  readonly tags: readonly string[];
  /** Jobs at most. */
  readonly limit: number;
  /** Users of whom it has enough jobs in hand that wait. */
  readonly exceptUsers?: readonly number[];
  /** Tools of which it has enough jobs in hand that wait. */
  readonly exceptTools?: readonly string[];
  /** It has a job in hand that may have killed a handler before: it takes no other such job beside it. */
  readonly exceptSuspects?: boolean;
  /**
   * Looks at no job of a queue before this ticket, nor before its virtual time, a margin each: there are only jobs that this
   * handler has passed over and, while somebody holds an old snapshot, any number of dead rows. A queue that is missing is
   * looked at from its virtual time on. Resubmitted jobs are looked at whose delay is over since a minute. Undefined: from the first job on.
   */
  readonly from?: ReadonlyMap<string, number>;
  /** Jobs of these tools whose inputs are all there are queued at once. */
  readonly express?: readonly ExpressRoute[];
  /** The queue whose jobs are taken first, by its place in `[serverName, ...tags]`; the others follow in turn. Default 0. */
  readonly firstQueue?: number;
}

/** Where the jobs of a tool run, when nothing has to be decided or waited for. */
export interface ExpressRoute {
  readonly toolId: string;
  readonly toolVersion: string;
  readonly runnerName: string;
  readonly destinationId: string;
  readonly destinationParams: Readonly<Record<string, Json>>;
}

export interface ClaimedJob extends JobRow {
  /** The handler id or tag that it waited under. */
  readonly queue: string;
}

const claimedJob = jobReader("queue");
/** The step of a ticket is `ticketUnit / priority`; the default priority makes it 1,000. */
const ticketUnit = 10_000;
/** So far before where it left off does a claim begin that does not begin at the first job: a hundred usual steps. */
const margin = ticketUnit * 10;
/** So does it for resubmitted jobs: those whose delay was over before, seconds, are left to a look from the first job on. */
const lately = 60;

/**
 * Takes unclaimed jobs for one handler: those assigned to its name or to one of its tags. First resubmitted ones whose delay is
 * over, without a look at the ready window (galaxy.md 3.8), then new ones, lowest ticket first, one queue after the other
 * (docs/claim-order.md; the stamp of incarnation and fence is ours, DESIGN.md promise 1). Rows that another handler is taking at
 * the moment are passed over, so any number of handlers share a pool without waiting for each other. Nothing is taken while
 * the job lock is on, nor by a drained handler, nor by an incarnation that somebody has ended: the lock on its row makes a take-over wait for this
 * statement, and this statement see a take-over. Of the jobs whose handler died before, one at most is taken.
 *
 * New jobs of an express route are claimed and queued in one change of their row: as if the caller had queued them next, with
 * the same history.
 */
export function claimJobsSkippingLocked(sql: Sql, request: ClaimRequest): Promise<ClaimedJob[]> {
  return claimJobs(sql, request, sql`for update skip locked`);
}

/**
 * The same without SKIP LOCKED: at SERIALIZABLE, PostgreSQL lets one of several handlers have a row and fails the others
 * (galaxy.md 2.4).
 * @throws PostgresError 40001 when another handler took one of the rows; nothing was taken then
 */
export function claimJobsSerializably(database: Database, request: ClaimRequest): Promise<ClaimedJob[]> {
  return database.begin("isolation level serializable", (sql) => claimJobs(sql, request, sql``));
}

async function claimJobs(sql: Sql, request: ClaimRequest, locking: Fragment): Promise<ClaimedJob[]> {
  const { incarnationId, serverName, limit, from } = request;
  const queues = queuesInTurn(request);
  const names = sql.array([...queues]);
  const { claimable, ofUsers } = filters(sql, request, names);
  const express = expressParts(sql, request.express ?? []);
  const parts = queues.map((queue, index) => {
    const begin =
      from === undefined
        ? sql``
        : sql`and ticket >= greatest(${from.get(queue) ?? 0}::bigint, ${virtualTime(sql, sql`${queue}`)}) - ${margin}::bigint`;
    const left = queues
      .slice(0, index)
      .reduce((all, _, before) => sql`${all} - (select count(*) from ${partName(sql, before)})`, sql``);
    return sql`${partName(sql, index)} as (
      select id, ticket, handler as queue, ${express.route} as route from job where state = 'new' and handler = ${queue} and ${claimable} ${ofUsers} ${begin}
      order by ticket, id
      limit ${limit} - (select count(*) from due) ${left}
      ${locking}
    )`;
  });
  const taken = queues.map((_, index) => sql`select id, ticket, queue, route from ${partName(sql, index)}`);
  const rows = await sql`
    with me as (
      select id from handler_incarnation
      where id = ${incarnationId} and end_time is null
        and not exists (select from instance_setting where name = 'job_lock' and value = 'true')
        and not exists (select from handler_drain where server_name = ${serverName})
      for key share
    ), due as (
      select id, handler as queue from job
      where state = 'resubmitted' and resubmit_after <= now() and handler = any(${names}) and ${claimable}
        ${from === undefined ? sql`` : sql`and resubmit_after > now() - make_interval(secs => ${lately})`}
      order by resubmit_after, id
      limit ${limit}
      ${locking}
    ), ${parts.reduce((all, one) => sql`${all}, ${one}`)}, fresh as (
      ${taken.reduce((all, one) => sql`${all} union all ${one}`)}
    ), taken as (
      select id, queue, null::integer as route from due union all select id, queue, route from fresh
    ), advanced as (
      ${advance(sql, request, ofUsers)}
    ), changed as (
      update job set handler = ${serverName}, incarnation_id = ${incarnationId}, fence = fence + 1, wait_reason = null,
        update_time = now() ${express.changes}
      from taken
      where job.id = any(array(select id from taken)) and job.id = taken.id and state in ('new', 'resubmitted')
        and incarnation_id is null
      returning ${jobColumns(sql)}, taken.queue
    ) ${express.history}
    select ${jobColumns(sql, "changed")}, changed.queue from changed`.values();
  return inDispatchOrder(
    rows.map((values) => claimedJob(values)),
    ({ queue }) => queue,
  );
}

function queuesInTurn({ serverName, tags, firstQueue = 0 }: ClaimRequest): readonly string[] {
  const queues = [...new Set([serverName, ...tags])];
  const first = firstQueue % queues.length;
  return [...queues.slice(first), ...queues.slice(0, first)];
}

/**
 * What express routes add to the statement: the number of a job's route, or null, where the job is looked at; the changes that
 * queue it; its history. The inputs are asked for in a form that is never answered by reading all inputs of all jobs. What a job's
 * inputs have to be is what the handler asks of those of other jobs (handler/src/stages/admit.ts).
 */
function expressParts(
  sql: Sql,
  routes: readonly ExpressRoute[],
): { readonly route: Fragment; readonly changes: Fragment; readonly history: Fragment } {
  if (routes.length === 0) return { route: sql`null::integer`, changes: sql``, history: sql`` };
  const texts = (of: (route: ExpressRoute) => string) => sql`${sql.array(routes.map(of))}::text[]`;
  const name = sql`tool_id || '/' || tool_version`;
  return {
    route: sql`case
        when handler_deaths = 0 and wanted_destination is null and coalesce((
          select bool_and(d.state in ('ok', 'empty') and not (a.deleted or d.deleted or d.purged))
          from job_to_input_dataset i
          join history_dataset_association a on a.id = i.dataset_id join dataset d on d.id = a.dataset_id
          where i.job_id = job.id), true)
        then array_position(${texts(({ toolId, toolVersion }) => `${toolId}/${toolVersion}`)}, ${name})
      end`,
    changes: sql`, state = case when taken.route is null then job.state else 'queued' end,
        run_fence = case when taken.route is null then job.run_fence else job.fence + 1 end,
        wait_reason_time = case when taken.route is null then job.wait_reason_time end,
        job_runner_name = coalesce((${texts(({ runnerName }) => runnerName)})[taken.route], job.job_runner_name),
        destination_id = coalesce((${texts(({ destinationId }) => destinationId)})[taken.route], job.destination_id),
        destination_params = coalesce(
          (${texts(({ destinationParams }) => JSON.stringify(destinationParams))})[taken.route]::jsonb, job.destination_params)`,
    history: sql`, history as (
      insert into job_state_history (job_id, state) select id, state from changed where state = 'queued'
    )`,
  };
}

/** Each queue has a part of the statement of its own, so that its jobs are read in the order of the index. */
function partName(sql: Sql, index: number) {
  return sql(`queue_${index}`);
}

function filters(sql: Sql, request: ClaimRequest, names: ReturnType<Sql["array"]>) {
  const { exceptUsers = [], exceptTools = [], exceptSuspects = false } = request;
  const suspect = exceptSuspects
    ? sql``
    : sql`or id = (
        select min(id) from job where state in ('new', 'resubmitted') and incarnation_id is null and handler_deaths > 0
          and handler = any(${names}) and (state = 'new' or resubmit_after <= now()))`;
  return {
    claimable: sql`incarnation_id is null and exists (select from me) and (handler_deaths = 0 ${suspect})
      ${exceptTools.length === 0 ? sql`` : sql`and tool_id <> all(${sql.array([...exceptTools])})`}`,
    ofUsers:
      exceptUsers.length === 0
        ? sql``
        : sql`and (user_id is null or user_id <> all(${sql.array([...exceptUsers], bigintOid)}))`,
  };
}

/**
 * Moves the virtual time of the queues on: to the last ticket that was taken, for all before it are taken too. A handler that
 * passes tools over leaves earlier tickets, for others to take: it moves the time no further than to the first of those, and
 * only if it has looked from the first job on. What has to wait for its user's own jobs does not hold the time up.
 */
function advance(sql: Sql, { exceptTools = [], from }: ClaimRequest, ofUsers: Fragment): Fragment {
  if (exceptTools.length > 0 && from !== undefined) return sql`select where false`;
  const left =
    exceptTools.length === 0
      ? sql`null`
      : sql`(
          select ticket from job
          where state = 'new' and handler = fresh.queue and incarnation_id is null and handler_deaths = 0 ${ofUsers}
            and id <> all(array(select id from fresh))
          order by ticket, id limit 1)`;
  return sql`insert into pool_virtual_time (pool, ticket)
      select queue, reached from (
        select queue, least(max(ticket), ${left}) as reached from fresh group by queue
      ) as progress
      where reached > ${virtualTime(sql, sql`queue`)}`;
}

/**
 * Resubmitted jobs before new ones, by the end of their delay; new ones by their tickets. Tickets of different queues say
 * nothing about each other: there the queue goes first whose next job is the oldest.
 * @param queueOf the queue that a job waited in
 */
export function inDispatchOrder<Job extends JobRow>(
  jobs: readonly Job[],
  queueOf: (job: Job) => string | null,
): Job[] {
  const again = jobs.filter(({ state }) => state === "resubmitted");
  const queues = new Map<string | null, Job[]>();
  for (const job of jobs) {
    if (job.state === "resubmitted") continue;
    const queue = queues.get(queueOf(job));
    if (queue === undefined) queues.set(queueOf(job), [job]);
    else queue.push(job);
  }
  const lines = [...queues.values()].map((queue) => queue.toSorted(byTicket).toReversed());
  const fresh: Job[] = [];
  while (lines.length > 1) {
    const oldest = lines.reduce((first, line) => (line.at(-1)!.id < first.at(-1)!.id ? line : first));
    fresh.push(oldest.pop()!);
    if (oldest.length === 0) lines.splice(lines.indexOf(oldest), 1);
  }
  return [...again.toSorted(byResubmission), ...fresh, ...(lines[0] ?? []).toReversed()];
}

function byTicket(a: JobRow, b: JobRow): number {
  return a.ticket - b.ticket || a.id - b.id;
}

function byResubmission(a: JobRow, b: JobRow): number {
  return (a.resubmitAfter?.getTime() ?? 0) - (b.resubmitAfter?.getTime() ?? 0) || a.id - b.id;
}
