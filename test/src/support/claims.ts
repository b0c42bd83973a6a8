import {
  claimJobsSkippingLocked,
  insertJob,
  registerIncarnation,
  type ClaimedJob,
  type ClaimRequest,
  type Database,
} from "@galaxy-jobs/shared-db";
import { handlerIdentity } from "./handler-identity.ts";

/** Users, a history, and handlers as the database knows them, without processes. */
export class Claims {
  readonly #database: () => Database;
  #historyId = 0;
  #made = 0;
  /** That of jobs and handlers that say nothing else. */
  queue = "_default_";

  constructor(database: () => Database) {
    this.#database = database;
  }

  get sql(): Database {
    return this.#database();
  }

  /** Empties the database. */
  async reset(): Promise<void> {
    this.queue = "_default_";
    await this.sql`truncate galaxy_user, history, job, dataset, handler_incarnation, pool_virtual_time, handler_drain cascade`;
    const [history] = await this.sql<{ id: number }[]>`insert into history (name) values ('h') returning id`;
    this.#historyId = history!.id;
  }

  /** From now on another queue, with nothing in it: what was there before stays, and costs no time. */
  nextQueue(): void {
    this.#made += 1;
    this.queue = `queue${this.#made}`;
  }

  async user(name: string): Promise<number> {
    this.#made += 1;
    const [row] = await this.sql<{ id: number }[]>`
      insert into galaxy_user (email, username) values (${`${name}@${this.#made}.org`}, ${`${name}-${this.#made}`}) returning id`;
    return row!.id;
  }

  /** @returns the job's id */
  async submit(
    userId: number | null,
    job: {
      handler?: string | null;
      assignedHandler?: string;
      assignedTag?: string;
      priority?: number;
      toolId?: string;
      inputs?: readonly number[];
    } = {},
    sql: Database = this.sql,
  ): Promise<{ id: number; output: number }> {
    const handler = job.handler === undefined ? this.queue : job.handler;
    const { job: inserted, outputs } = await insertJob(sql, {
      userId,
      historyId: this.#historyId,
      toolId: job.toolId ?? "t",
      toolVersion: "1",
      galaxyVersion: "0",
      params: {},
      handler,
      assignedHandler: job.assignedHandler ?? handler ?? this.queue,
      assignedTag: job.assignedTag ?? null,
      priority: job.priority,
      inputs: (job.inputs ?? []).map((input) => ({ name: "input", id: input })),
      outputs: [{ name: "out", label: "out", extension: "txt" }],
    });
    return { id: inserted.id, output: outputs[0]!.dataset.id };
  }

  /** Many jobs in few statements, as `insertJob` would write them one by one. */
  async submitMany(userId: number, jobs: number, priority = 10): Promise<void> {
    const most = 10_000;
    for (let made = 0; made < jobs; made += most)
      await this.sql`
      insert into job (user_id, history_id, tool_id, tool_version, galaxy_version, state, assigned_handler, handler, priority, ticket)
      select ${userId}, ${this.#historyId}, 't', '1', '0', 'new', ${this.queue}, ${this.queue}, ${priority}, next_ticket(${this.queue}, ${userId}, ${priority})
      from generate_series(1, ${Math.min(most, jobs - made)}::int)`;
  }

  async handler(serverName: string, tags: readonly string[] = [this.queue]): Promise<ClaimRequest> {
    const incarnationId = await registerIncarnation(
      this.sql,
      handlerIdentity(serverName, { tags, leaseSeconds: 3600 }),
      { isGone: () => true, poisonLimit: 3 },
    );
    return { incarnationId, serverName, tags, limit: 10 };
  }

  claim(handler: ClaimRequest, more: Partial<ClaimRequest> = {}): Promise<ClaimedJob[]> {
    return claimJobsSkippingLocked(this.sql, { ...handler, ...more });
  }

  /** Ends claimed jobs, so that nothing holds them. */
  async end(jobs: readonly { id: number }[]): Promise<void> {
    for (const { id } of jobs) await this.sql`update job set state = 'ok', end_time = now() where id = ${id}`;
  }
}
