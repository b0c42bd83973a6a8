/**
 * The PostgreSQL server that comes along, for installations without one of their own.
 *
 * Every process of an installation calls `ensureEmbeddedDatabase` with the same folder; the first one to come makes the cluster
 * and starts the server, the others find it, the last one out stops it. There is no process in charge and no lock file of ours,
 * so nothing of ours can be left behind by kill -9. What decides instead:
 *
 * - Which cluster: `rename`. Data, password and socket folder are made in `making-<pid>-…` and renamed to `cluster`; only one
 *   rename succeeds, the others throw theirs away (cluster.ts).
 * - Which postmaster: PostgreSQL's own lock file postmaster.pid, made with O_EXCL, and its check for shared memory in use. We
 *   only remove that file when it names a process that is not ours, after all backends of the dead server have ended, and by
 *   a rename of which we look at what we got (postmaster.ts). Whoever loses the race sees its postmaster end, and connects
 *   to the winner's.
 * - Who is still in: an advisory lock in the database. Each process keeps one connection (keeper.ts) that holds the lock
 *   shared; it is gone the moment the process is. To leave is to give it back and to try for it exclusively: who gets it is
 *   alone, and nobody can come in while he holds it. If pg_stat_activity shows no other clients either (psql, say), he
 *   sends SIGINT to the verified postmaster and waits for its end.
 * - A process that comes at that moment waits for the shared lock, loses its connection when the server stops, and starts anew.
 *
 * The server runs in a session of its own and outlives its starter. When it dies under us, each keeper notices and all start it
 * again, by the same rules. It listens on a unix socket in a 0700 folder only, never on TCP.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { DatabaseConnection } from "../database-connection.ts";
import { silentLogger, type Logger } from "../log.ts";
import { DATABASE, PORT, USER, openCluster, type Cluster } from "./cluster.ts";
import { connectKeeper, refusalOf, type Keeper } from "./keeper.ts";
import {
  clearPlace,
  isHeldOff,
  findPostmaster,
  logTail,
  spawnPostmaster,
  stopPostmaster,
  type SpawnedPostmaster,
} from "./postmaster.ts";

export interface EmbeddedDatabaseOptions {
  /** Holds everything; made if missing. For example `database/postgres`. */
  readonly directory: string;
  readonly logger?: Logger;
  /** False: faster, but a power cut may destroy the data (fsync off). Only the process that starts the server decides. Default true. */
  readonly durable?: boolean;
  /** Ends the attempt; without effect once the promise is resolved. */
  readonly signal?: AbortSignal;
}

export interface EmbeddedDatabase {
  /** A superuser's connection to the database `galaxy` (UTF8, locale C). */
  readonly connection: DatabaseConnection;
  /** Says that this process needs the server no longer; the last one stops it. Close your own connections first. Harmless if repeated. */
  release(this: void): Promise<void>;
}

const LONGEST_START = 30_000;
/** Crash recovery of a large database takes its time; as long as the server answers, it is waited for. */
const LONGEST_RECOVERY = 600_000;
const POLL = 25;
/** Starts that end at once although nothing is in their way; another one would end the same way. */
const MOST_ATTEMPTS = 6;
const LONGEST_PAUSE = 1_000;

/**
 * Finds or starts the embedded server whose data lie under `directory`, and keeps it running until `release`.
 *
 * @throws Error with the tail of the server's log if it does not come up within 30 s, or says why it cannot at all
 */
export async function ensureEmbeddedDatabase(options: EmbeddedDatabaseOptions): Promise<EmbeddedDatabase> {
  const logger = options.logger ?? silentLogger;
  const durable = options.durable ?? true;
  const leaving = new AbortController();
  const starting = options.signal ?? leaving.signal;
  const cluster = await openCluster(options.directory, durable, logger, starting);
  let keeper = await enter(cluster, durable, logger, starting);
  let comingBack: Promise<Keeper | undefined> | undefined;
  const watching = watch();
  let released: Promise<void> | undefined;

  /** Comes in again whenever the server is lost, until this process leaves. */
  async function watch(): Promise<void> {
    for (;;) {
      await keeper.closed;
      if (leaving.signal.aborted) return;
      logger.warn("embedded-database.lost", { data: cluster.folder });
      comingBack = comeBack(cluster, keeper, durable, logger, leaving.signal);
      const next = await comingBack;
      if (next === undefined) return;
      keeper = next;
    }
  }

  async function release(): Promise<void> {
    leaving.abort();
    await leave(cluster, (await comingBack) ?? keeper, logger);
    await watching;
  }

  return {
    connection: {
      host: keeper.socketDirectory,
      port: PORT,
      database: DATABASE,
      user: USER,
      password: cluster.password,
      ssl: false,
    },
    release: () => (released ??= release()),
  };
}

/** Connects to the running server, or starts one and connects to that. */
async function enter(
  cluster: Cluster,
  durable: boolean,
  logger: Logger,
  signal: AbortSignal,
): Promise<Keeper> {
  const begin = performance.now();
  let limit = LONGEST_START;
  let pause = POLL;
  let attempts = 0;
  let spawned: SpawnedPostmaster | undefined;
  let obstacle: string | undefined;
  for (;;) {
    signal.throwIfAborted();
    const running = await findPostmaster(cluster);
    try {
      const keeper = await connectKeeper(cluster, running?.socketDirectory ?? cluster.socketDirectory);
      if (spawned?.hasEnded() === false) {
        logger.info("embedded-database.started", { pid: spawned.pid, data: cluster.folder });
      }
      return keeper;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === "recovering") limit = LONGEST_RECOVERY;
      if (refusal === "fatal" || performance.now() - begin > limit) {
        throw await unusable(cluster, obstacle, error);
      }
      if (refusal === "absent" && spawned?.hasEnded() !== false) {
        obstacle = await clearPlace(cluster);
        if (obstacle === undefined) {
          // One that ended at once lost the race, or never will start: the pauses grow.
          if (attempts >= MOST_ATTEMPTS && !(await isHeldOff(cluster)))
            throw await unusable(cluster, "the server ends at once", error);
          if (attempts > 0) pause = Math.min(pause * 2, LONGEST_PAUSE);
          attempts++;
          spawned = await spawnPostmaster(cluster, durable);
        }
      }
    }
    await delay(pause, undefined, { signal });
  }
}

async function unusable(cluster: Cluster, obstacle: string | undefined, cause: unknown): Promise<Error> {
  const reason = obstacle ?? (cause as Error).message;
  return new Error(
    `the embedded database in ${cluster.folder} cannot be used: ${reason}. Its log ends with:\n${await logTail(cluster)}`,
    { cause },
  );
}

async function comeBack(
  cluster: Cluster,
  lost: Keeper,
  durable: boolean,
  logger: Logger,
  signal: AbortSignal,
): Promise<Keeper | undefined> {
  await lost.close();
  while (!signal.aborted) {
    try {
      return await enter(cluster, durable, logger, signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      logger.error("embedded-database.restart-failed", { error });
      await delay(LONGEST_PAUSE, undefined, { signal }).catch(() => undefined);
    }
  }
  return undefined;
}

async function leave(cluster: Cluster, keeper: Keeper, logger: Logger): Promise<void> {
  try {
    if (!(await keeper.becomeLast())) return;
    const postmaster = await findPostmaster(cluster);
    if (postmaster === undefined) return;
    await stopPostmaster(cluster, postmaster);
    logger.info("embedded-database.stopped", { pid: postmaster.pid, data: cluster.folder });
  } catch (error) {
    // A server that is gone already needs no stopping.
    if (refusalOf(error) === "fatal") throw error;
  } finally {
    await keeper.close();
  }
}
