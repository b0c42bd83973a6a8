import type { Socket } from "node:net";
import { readJsonLines, writeJsonLine, type Logger, type Service } from "@galaxy-jobs/runtime";
import { ConnectionQueue } from "../master/connection-queue.ts";
import type { ListeningSockets } from "../master/listening-sockets.ts";
import { Generation, readFacts } from "./generation.ts";

/** After a generation did not take a connection, ms. */
const RETRY = 50;
/** What the open connections get to end when the pool stops, ms. */
const PATIENCE = 5000;

/**
 * A pool of zerg generations. It owns the public sockets; applications attach on its control socket, each with a private socket
 * of its own, and every new connection goes to the newest that is ready. Node cannot give a socket to a process that it has not
 * started, so the pool carries the bytes, after a PROXY line with the client's address. When a newer generation is ready, the
 * one before is told to drain: it ends its connections after their next answer, and then itself. While there is none,
 * connections wait.
 */
export class ZergPool implements Service {
  readonly name = "zerg-pool";
  readonly #sockets: ListeningSockets;
  readonly #logger: Logger;
  readonly #queue = new ConnectionQueue();
  readonly #open = new Set<Socket>();
  readonly #controls = new Set<Socket>();
  #generations: Generation[] = [];
  #attached = 0;
  #stopping = false;
  #onEmpty: () => void = () => undefined;

  constructor(sockets: ListeningSockets, logger: Logger) {
    this.#sockets = sockets;
    this.#logger = logger;
  }

  start(): Promise<void> {
    this.#sockets.serve((listener, socket) =>
      listener === "control" ? this.#control(socket) : this.#take(listener, socket),
    );
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#sockets.close();
    this.#queue.clear();
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    const timer = setTimeout(() => this.#onEmpty(), PATIENCE);
    if (this.#open.size > 0) await empty;
    clearTimeout(timer);
    for (const socket of [...this.#open, ...this.#controls]) socket.destroy();
  }

  state(): object {
    return {
      pid: process.pid,
      waiting: this.#queue.size,
      connections: this.#open.size,
      generations: this.#generations.map((generation) => ({
        number: generation.number,
        phase: generation.phase,
        preferred: generation === this.#preferred(),
        brought: generation.brought,
        attachedAt: generation.attachedAt,
        ...generation.facts,
      })),
    };
  }

  #preferred(): Generation | undefined {
    return this.#generations.findLast(({ phase }) => phase === "ready");
  }

  #control(socket: Socket): void {
    this.#controls.add(socket);
    let generation: Generation | undefined;
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    socket.once("close", () => {
      this.#controls.delete(socket);
      if (generation !== undefined) this.#leave(generation);
    });
    readJsonLines(socket, (message) => {
      if (message["ask"] === "state") return writeJsonLine(socket, this.state());
      const facts = readFacts(message["attach"]);
      if (facts === undefined || generation !== undefined) return socket.destroy();
      this.#attached += 1;
      generation = new Generation(this.#attached, facts, socket);
      void this.#attach(generation);
    });
    socket.resume();
  }

  async #attach(generation: Generation): Promise<void> {
    const { number, facts } = generation;
    this.#generations.push(generation);
    const problem = await generation.check();
    if (problem !== undefined) {
      this.#logger.error("zerg.refused", { generation: number, ...facts, reason: problem });
      generation.refuse(problem);
      return;
    }
    this.#logger.info("zerg.attached", { generation: number, ...facts });
    for (const older of this.#generations)
      if (older.number < number && older.phase === "ready") older.drain();
    this.#serveWaiting();
  }

  #leave(generation: Generation): void {
    this.#generations = this.#generations.filter((other) => other !== generation);
    this.#logger.info("zerg.left", { generation: generation.number, pid: generation.facts.pid });
  }

  #serveWaiting(): void {
    while (this.#queue.size > 0 && this.#preferred() !== undefined) {
      const { listener, socket } = this.#queue.next()!;
      this.#take(listener, socket);
    }
  }

  #take(listener: string, client: Socket): void {
    const generation = this.#preferred();
    if (generation === undefined) this.#queue.hold(listener, client);
    else void this.#forward(generation, listener, client);
  }

  async #forward(generation: Generation, listener: string, client: Socket): Promise<void> {
    let inside: Socket;
    try {
      inside = await generation.open();
    } catch {
      // It is ending, and its control connection is about to say so.
      if (this.#stopping || client.destroyed) return void client.destroy();
      this.#queue.hold(listener, client);
      setTimeout(() => this.#serveWaiting(), RETRY).unref();
      return;
    }
    this.#open.add(client);
    client.once("close", () => {
      this.#open.delete(client);
      inside.destroy();
      if (this.#open.size === 0) this.#onEmpty();
    });
    inside.on("error", () => client.destroy());
    inside.once("close", () => client.destroySoon());
    inside.write(proxyLine(client));
    client.pipe(inside);
    inside.pipe(client);
  }
}

/** PROXY protocol, version 1, so that the application sees who the client is. */
function proxyLine({ remoteAddress, remotePort, localAddress, localPort, remoteFamily }: Socket): string {
  if (remoteAddress === undefined || localAddress === undefined) return "PROXY UNKNOWN\r\n";
  const family = remoteFamily === "IPv6" ? "TCP6" : "TCP4";
  return `PROXY ${family} ${remoteAddress} ${localAddress} ${remotePort} ${localPort}\r\n`;
}
