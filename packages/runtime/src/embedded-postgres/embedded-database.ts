/*
The embedded PostgreSQL: a server of our own under the data folder, for those who did not configure one.

Nobody is in charge of it. Any number of processes (web worker, handlers, galaxyctl) come and go, several at the same
moment, each may be killed at any point, and so may the server. This is how they agree without a lock file of ours:

Made once.     A cluster is made under a temporary name and renamed to its place. The rename is the decision: one process
               succeeds, the others find the place taken. The folder holds everything (data, password, the database
               `galaxy`), so a cluster that can be seen is complete.

Started once.  Whoever finds no server starts one. PostgreSQL itself lets only one postmaster onto a data directory, the
               surplus ones end at once. So "start" is not a decision to be made together: everybody loops over
                   connect; if nothing listens and no postmaster of ours lives, start one; wait a little
               until connected. That loop also waits out a server that is starting, recovering or stopping, and the last
               backends of a postmaster that was killed. The postmaster has a session of its own and outlives its starter.

Trusted pids.  A pid in postmaster.pid counts only if that process was started on our data directory. If it is somebody
               else's (after a reboot), the file is removed, since PostgreSQL would believe it.

In use.        Each user keeps one connection open that holds an advisory lock in shared mode. When it breaks (the server was
               killed), its owner runs the loop above again: the server comes back without anybody's help.

Stopped last.  Who leaves exchanges the shared lock for the exclusive one, without waiting. (If its connection has just
               broken it takes a new one for this: a server that several users started again must not be left behind.)
               Who gets it is alone: it looks that no other client is connected (psql, say), and stops the server while it
               still holds the lock. A process that connects at this moment waits for its shared lock, loses the connection
               to the shutdown, is back in its loop, and starts the server again. Two that leave at once cannot both miss
               the lock: both have given up theirs before they try.

Reached only   by a unix socket in a folder of mode 700, with a password; there is no TCP port at all. PostgreSQL refuses to
               run as root: for root it runs as `postgres` or `nobody`, who then own the cluster's files.
*/
import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseConnection } from "../database-connection.ts";
import type { Logger } from "../log.ts";
import { silentLogger } from "../log.ts";
import { Loop } from "../loop.ts";
import { untilReady } from "../until-ready.ts";
import { findBinaries } from "./binaries.ts";
import type { PostgresBinaries } from "./binaries.ts";
import {
  checkSocketDirectory,
  connectionTo,
  isCode,
  makeCluster,
  makeSocketDirectory,
  placeOfCluster,
  tailOfLog,
} from "./cluster.ts";
import type { Cluster } from "./cluster.ts";
import { findPostmaster, removeForeignLockFiles, startPostmaster, stopPostmaster } from "./postmaster.ts";
import { Presence } from "./presence.ts";
import { serverAccount } from "./server-account.ts";
import type { ServerAccount } from "./server-account.ts";

const START_DEADLINE_MS = 30_000;
const STOP_PATIENCE_MS = 30_000;
/** How long one who leaves tries to find out whether it is the last, ms. */
const LEAVE_PATIENCE_MS = 10_000;
/** SQLSTATE 28P01 invalid_password, 28000 invalid_authorization_specification, 3D000 invalid_catalog_name. */
const HOPELESS = ["28P01", "28000", "3D000"];

export interface EmbeddedDatabase {
  readonly connection: DatabaseConnection;
  /** Leaves; the last to leave stops the server and waits for its end. Close your own connections before. */
  release(this: void): Promise<void>;
}

/**
 * Finds or starts the server whose data are under `directory`, and keeps it there until released: if it dies, it is
 * started again.
 *
 * @param options.durable false (for tests only) trades safety against power failures for speed
 * @param options.signal gives up waiting for the server
 * @param options.deadline ms for the server to accept connections, default 30 s
 * @throws Error that ends with the last lines of the server's log
 */
export async function ensureEmbeddedDatabase(options: {
  directory: string;
  logger?: Logger;
  durable?: boolean;
  deadline?: number;
  signal?: AbortSignal;
}): Promise<EmbeddedDatabase> {
  const logger = options.logger ?? silentLogger;
  const durable = options.durable ?? true;
  const account = serverAccount();
  const binaries = findBinaries(account, (folder) =>
    logger.info("embedded_postgres.binaries_copied", { folder }),
  );
  const cluster = placeOfCluster(options.directory, account);
  if (path.dirname(cluster.directory) !== fs.realpathSync(options.directory)) {
    // The user who runs the server cannot go through the folders above the one that was asked for.
    logger.warn("embedded_postgres.elsewhere", { wanted: options.directory, directory: cluster.directory });
  }
  const made = await makeCluster(cluster, account, binaries, durable);
  if (made) logger.info("embedded_postgres.made", { directory: cluster.directory, account: account.name });
  const server = new EmbeddedServer({ cluster, account, binaries, durable, logger });
  await server.attend(options.deadline ?? START_DEADLINE_MS, options.signal);
  return server.keep();
}

class EmbeddedServer {
  readonly #cluster: Cluster;
  readonly #account: ServerAccount;
  readonly #binaries: PostgresBinaries;
  readonly #durable: boolean;
  readonly #logger: Logger;
  #started: ChildProcess | undefined;
  #presence: Presence | undefined;
  #connection: DatabaseConnection | undefined;

  constructor(parts: {
    cluster: Cluster;
    account: ServerAccount;
    binaries: PostgresBinaries;
    durable: boolean;
    logger: Logger;
  }) {
    this.#cluster = parts.cluster;
    this.#account = parts.account;
    this.#binaries = parts.binaries;
    this.#durable = parts.durable;
    this.#logger = parts.logger;
  }

  /** Gets a presence in the server, which it starts if need be. */
  async attend(deadline: number, signal?: AbortSignal): Promise<void> {
    try {
      this.#presence = await untilReady({
        attempt: () => this.#connectOrStart(),
        isRetryable: (error) => !isCode(error, ...HOPELESS),
        deadline,
        firstDelay: 20,
        longestDelay: 200,
        signal,
      });
    } catch (error) {
      if (signal?.aborted === true) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(
        `the embedded PostgreSQL in ${this.#cluster.directory} does not answer: ${reason}\n` +
          `The end of ${this.#cluster.log}:\n${tailOfLog(this.#cluster)}`,
        { cause: error },
      );
    }
  }

  keep(): EmbeddedDatabase {
    const keeper = new Loop({
      name: "embedded-postgres-keeper",
      work: async (signal) => {
        await Promise.race([this.#presence?.ended, aborted(signal)]);
        if (signal.aborted) return 0;
        this.#logger.warn("embedded_postgres.connection_lost");
        this.#presence = undefined;
        await this.attend(START_DEADLINE_MS, signal);
        this.#logger.info("embedded_postgres.connection_restored");
        return 0;
      },
      onError: (error) => this.#logger.error("embedded_postgres.not_restored", { error }),
    });
    void keeper.start();
    let released: Promise<void> | undefined;
    if (this.#connection === undefined) throw new Error("keep() comes after attend()");
    return { connection: this.#connection, release: () => (released ??= this.#leave(keeper)) };
  }

  async #connectOrStart(): Promise<Presence> {
    const running = findPostmaster(this.#cluster);
    // The folder for temporary files, and so the socket, may be another one for the process that started the server.
    const socketDirectory = running?.socketDirectory ?? makeSocketDirectory(this.#cluster, this.#account);
    checkSocketDirectory(socketDirectory, this.#account);
    const connection = connectionTo(this.#cluster, socketDirectory);
    try {
      const presence = await Presence.take(connection);
      this.#connection = connection;
      return presence;
    } catch (error) {
      // A child of a killed postmaster can hold its socket for a moment: it takes connections, and nobody answers them.
      const nobody = isCode(error, "ENOENT", "ECONNREFUSED", "CONNECT_TIMEOUT");
      if (nobody && running === undefined) this.#start(socketDirectory);
      throw error;
    }
  }

  #start(socketDirectory: string): void {
    if (this.#ownStartIsUnderWay()) return;
    removeForeignLockFiles(this.#cluster, socketDirectory);
    const child = startPostmaster(
      this.#cluster,
      this.#account,
      this.#binaries,
      socketDirectory,
      this.#durable,
    );
    child.once("error", (error) => this.#logger.error("embedded_postgres.cannot_start", { error }));
    this.#logger.debug("embedded_postgres.starting", { pid: child.pid, directory: this.#cluster.directory });
    this.#started = child;
  }

  /** Whose presence broke a moment ago takes another: a server that several users started again must not be left behind. */
  async #leave(keeper: Loop): Promise<void> {
    await keeper.stop();
    let presence = this.#presence;
    const end = performance.now() + LEAVE_PATIENCE_MS;
    do {
      try {
        presence ??= await this.#presenceInRunningServer();
        if (presence !== undefined && (await presence.isLast())) await this.#stopServer();
        return;
      } catch (error) {
        // It is being stopped by somebody who left at the same time, was killed, or is only just starting.
        this.#logger.debug("embedded_postgres.gone", { error });
        await sleep(50);
      } finally {
        await presence?.close();
        presence = undefined;
      }
    } while (performance.now() < end);
  }

  /** @returns undefined if no server runs */
  async #presenceInRunningServer(): Promise<Presence | undefined> {
    const socketDirectory = findPostmaster(this.#cluster)?.socketDirectory;
    if (socketDirectory === undefined) {
      if (this.#ownStartIsUnderWay() || findPostmaster(this.#cluster) !== undefined)
        throw new Error("a server is starting");
      return undefined;
    }
    checkSocketDirectory(socketDirectory, this.#account);
    return Presence.take(connectionTo(this.#cluster, socketDirectory));
  }

  async #stopServer(): Promise<void> {
    const ended = await stopPostmaster(this.#cluster, STOP_PATIENCE_MS);
    if (ended) this.#logger.info("embedded_postgres.stopped", { directory: this.#cluster.directory });
    else this.#logger.error("embedded_postgres.does_not_stop", { directory: this.#cluster.directory });
  }

  #ownStartIsUnderWay(): boolean {
    const child = this.#started;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
