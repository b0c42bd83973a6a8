import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Loop, readJsonLines, writeJsonLine, type Logger, type Service } from "@galaxy-jobs/runtime";
import type { ListeningSockets } from "../master/listening-sockets.ts";
import type { GenerationFacts } from "./generation.ts";

/** Between two tries to find a pool that has gone, ms. */
const RETRY = 500;
/** Connections that the pool has brought are accepted by then, ms. */
const ARRIVAL = 2000;

export interface AttachmentOptions {
  /** The pool's control socket. */
  readonly pool: string;
  /** With the private socket of this generation. */
  readonly sockets: ListeningSockets;
  readonly logger: Logger;
  readonly release: string;
  readonly directory: string;
  /** A newer generation has taken over: end, and break nothing. */
  readonly onDrain: () => void;
}

/** The application's side of a zerg pool: announces itself, stays attached, comes back to a pool that was restarted. */
export class Attachment implements Service {
  readonly name = "zerg-attachment";
  readonly #options: AttachmentOptions;
  readonly #loop: Loop;
  #socket: Socket | undefined;
  #isDraining = false;

  constructor(options: AttachmentOptions) {
    this.#options = options;
    this.#loop = new Loop({
      name: "zerg",
      work: async () => {
        await this.#socketClosed();
        if (!this.#isDraining) await this.#attach();
        return RETRY;
      },
      onError: (error) => options.logger.warn("zerg.pool_gone", { pool: options.pool, error }),
      errorDelay: RETRY,
    });
  }

  /** Resolves when the pool sends connections. @throws Error when there is no pool, or it refuses */
  async start(): Promise<void> {
    await this.#attach();
    await this.#loop.start();
  }

  async stop(): Promise<void> {
    this.#isDraining = true;
    this.#socket?.destroy();
    await this.#loop.stop();
  }

  #attach(): Promise<void> {
    const { pool, sockets, logger, release, directory } = this.#options;
    const own = sockets.list[0]?.spec.address;
    if (own === undefined || !("path" in own)) throw new Error("a zerg generation has no private socket");
    const facts: GenerationFacts = { socket: own.path, pid: process.pid, release, directory };
    return new Promise((resolve, reject) => {
      const socket = connect(pool, () => writeJsonLine(socket, { attach: facts }));
      this.#socket = socket;
      socket.once("error", (error: NodeJS.ErrnoException) => reject(explain(error, pool)));
      socket.once("close", () => reject(new Error(`the zerg pool ${pool} has hung up`)));
      readJsonLines(socket, (message) => {
        if ("refused" in message) reject(new Error(`the zerg pool refused: ${String(message["refused"])}`));
        if ("attached" in message) {
          logger.info("zerg.attached", { pool, generation: message["attached"] });
          resolve();
        }
        if ("drain" in message) void this.#drain(Number(message["brought"]));
      });
    });
  }

  /** Waits for the connections that are on their way: what waits in a socket that is closed is lost. */
  async #drain(brought: number): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    const { sockets, onDrain } = this.#options;
    const end = performance.now() + ARRIVAL;
    while ((sockets.list[0]?.accepted ?? brought) < brought && performance.now() < end) await sleep(5);
    onDrain();
  }

  #socketClosed(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => socket.once("close", () => resolve()));
  }
}

function explain(error: NodeJS.ErrnoException, pool: string): Error {
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED")
    return new Error(
      `no zerg pool listens on ${pool}: start the one that has zerg-pool: ${pool}:ADDRESS first`,
    );
  return new Error(`cannot attach to the zerg pool ${pool}: ${error.message}`);
}
