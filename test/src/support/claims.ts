import {
  claimJobsSkippingLocked,
  insertJob,
  registerIncarnation,
  type ClaimedJob,
  type ClaimRequest,
  type Database,
} from "@galaxy-jobs/shared-db";

/** The queue of jobs and handlers that say nothing else. */
export const queue = "_default_";

/** Users, a history, and handlers as the database knows them, without processes. */
export class Claims {
  readonly #database: () => Database;
  #historyId = 0;

  constructor(database: () => Database) {
    this.#database = database;
  }

  get sql(): Database {
    return this.#database();
  }

  /** Empties the database. */
  async reset(): Promise<void> {
    await this.sql`truncate galaxy_user, history, job, dataset, handler_incarnation, pool_virtual_time, handler_drain cascade`;
    const [history] = await this.sql<{ id: number }[]>`insert into history (name) values ('h') returning id`;
    this.#historyId = history!.id;
  }

  async user(name: string): Promise<number> {
    const [row] = await this.sql<{ id: number }[]>`
      insert into galaxy_user (email, username) values (${`${name}@example.org`}, ${name}) returning id`;
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
    const handler = job.handler === undefined ? queue : job.handler;
    const { id, outputs } = await sql.begin((transaction) =>
      insertJob(transaction, {
        userId,
        historyId: this.#historyId,
        toolId: job.toolId ?? "t",
        toolVersion: "1",
        galaxyVersion: "0",
        params: {},
        handler,
        assignedHandler: job.assignedHandler ?? handler ?? queue,
        assignedTag: job.assignedTag ?? null,
        priority: job.priority,
        inputs: (job.inputs ?? []).map((input) => ({ name: "input", id: input })),
        outputs: [{ name: "out", label: "out", extension: "txt" }],
      }),
    );
    return { id, output: outputs[0]!.id };
  }

  /** Many jobs in one statement, as `insertJob` would write them one by one. */
  async submitMany(userId: number, jobs: number, priority = 10): Promise<void> {
    await this.sql`
      insert into job (user_id, history_id, tool_id, tool_version, galaxy_version, state, assigned_handler, handler, priority, ticket)
      select ${userId}, ${this.#historyId}, 't', '1', '0', 'new', ${queue}, ${queue}, ${priority}, next_ticket(${queue}, ${userId}, ${priority})
      from generate_series(1, ${jobs}::int)`;
  }

  async handler(serverName: string, tags: readonly string[] = [queue]): Promise<ClaimRequest> {
    const incarnationId = await registerIncarnation(
      this.sql,
      {
        serverName,
        hostname: "here",
        bootId: "b",
        pid: 1,
        pidStartTime: "1",
        tags,
        version: "0",
        protocol: 1,
        leaseSeconds: 3600,
        runDirectoryId: "d",
      },
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
