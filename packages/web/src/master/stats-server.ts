import type { Server, Socket } from "node:net";
import type { ListenerAddress, Logger, Service } from "@galaxy-jobs/runtime";
import { boundAddress, listen } from "../serve/listening.ts";
import { statsDocument } from "./stats-document.ts";
import type { TreeState } from "./tree-state.ts";

/** A reader that does not take its document is let go after this many ms. */
const patience = 5_000;
/** Readers at once; whoever comes beyond them is let go at once. */
const mostReaders = 32;

/** Tells everybody who connects the state of the tree, as one JSON document, and closes (uWSGI's `stats`). */
export class StatsServer implements Service {
  readonly name = "stats";
  readonly #address: ListenerAddress;
  readonly #state: () => TreeState;
  readonly #logger: Logger;
  readonly #readers = new Set<Socket>();
  #server: Server | undefined;

  constructor(options: { address: ListenerAddress; state: () => TreeState; logger: Logger }) {
    this.#address = options.address;
    this.#state = options.state;
    this.#logger = options.logger;
  }

  /** @throws Error that names the address and the remedy */
  async start(): Promise<void> {
    this.#server ??= await listen(this.#address, (socket) => this.#tell(socket));
    this.#logger.info("web.stats", { address: boundAddress(this.#server) });
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#readers) socket.destroy();
    await closed;
  }

  /** As bound; undefined while it does not run. */
  get address(): string | undefined {
    return this.#server === undefined ? undefined : boundAddress(this.#server);
  }

  #tell(socket: Socket): void {
    socket.on("error", () => undefined);
    if (this.#readers.size >= mostReaders) {
      socket.destroy();
      return;
    }
    this.#readers.add(socket);
    const timer = setTimeout(() => socket.destroy(), patience);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#readers.delete(socket);
    });
    socket.resume();
    socket.end(`${JSON.stringify(statsDocument(this.#state()))}\n`);
  }
}
