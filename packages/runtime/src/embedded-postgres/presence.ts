import postgres from "postgres";
import type { DatabaseConnection } from "../database-connection.ts";

/** Our advisory lock in the database `galaxy`: "galaxy-jobs" is using the embedded server. */
const [LOCK_CLASS, LOCK_KEY] = [0x67616c61, 0x78796a62];
/** Longer than a statement may take, ms. */
const ANSWER_MS = 15_000;
/** How long connections that were just closed may take to vanish from pg_stat_activity, ms. */
const STRAGGLERS_MS = 500;

/** A connection that says "in use": it holds our lock in shared mode for as long as it lives. */
export class Presence {
  readonly #sql: postgres.Sql;
  /** Resolves when the connection has ended, from whichever side. */
  readonly ended: Promise<void>;

  private constructor(sql: postgres.Sql, ended: Promise<void>) {
    this.#sql = sql;
    this.ended = ended;
  }

  /** @throws whatever the driver or the server says: no socket, refused, shutting down, wrong password, … */
  static async take(connection: DatabaseConnection): Promise<Presence> {
    let end: () => void;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const { password, ...address } = connection;
    const sql = postgres({
      ...address,
      ssl: false,
      ...(password === undefined ? {} : { password }),
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      connect_timeout: 5,
      fetch_types: false,
      onnotice: () => undefined,
      onclose: () => end(),
      connection: { application_name: "galaxy-jobs presence", statement_timeout: 10_000 },
    });
    let timer: NodeJS.Timeout | undefined;
    try {
      // The driver loses a query that comes in the very moment when its connection breaks.
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("the server did not answer")), ANSWER_MS);
      });
      await Promise.race([sql`SELECT pg_advisory_lock_shared(${LOCK_CLASS}::int, ${LOCK_KEY}::int)`, late]);
      return new Presence(sql, ended);
    } catch (error) {
      await sql.end({ timeout: 0 });
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Gives up the shared lock and tries for the exclusive one. True: nobody else uses the server, and nobody can say that
   * they do until this connection ends.
   */
  async isLast(): Promise<boolean> {
    const sql = this.#sql;
    await sql`SELECT pg_advisory_unlock_shared(${LOCK_CLASS}::int, ${LOCK_KEY}::int)`;
    const [row] = await sql<{ alone: boolean }[]>`
      SELECT pg_try_advisory_lock(${LOCK_CLASS}::int, ${LOCK_KEY}::int) AS alone`;
    if (row?.alone !== true) return false;
    const end = performance.now() + STRAGGLERS_MS;
    for (;;) {
      const [others] = await sql<{ count: number }[]>`
        SELECT count(*)::int AS count, pg_sleep(0.02) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;
      if (others?.count === 0) return true;
      if (performance.now() > end) return false;
    }
  }

  async close(): Promise<void> {
    await this.#sql.end({ timeout: 1 });
  }
}
