import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Logger } from "@galaxy-jobs/runtime";
import type { ListenerSpec } from "./listener-spec.ts";

/** A client that had nothing to ask for this long after the drain began is told good-bye, ms. */
const GRACE = 1000;
/** Requests whose mean time is told. */
const RECENT = 100;

/** Headers must be here by then; a kept-alive connection without a request, and one on which nothing moves, ends; ms. */
const limits = { headersTimeout: 20_000, keepAliveTimeout: 20_000, idleTimeout: 300_000 };

export interface ConnectionsOptions {
  readonly app: RequestListener;
  readonly listeners: readonly ListenerSpec[];
  readonly logger: Logger;
}

/** What the connections of this process do, and have done. */
export interface ConnectionCounts {
  readonly open: number;
  /** Requests under way. */
  readonly active: number;
  /** Requests answered. */
  readonly requests: number;
  /** Since when (Date.now()) the request that waits longest for its answer to begin has waited; undefined: none does. */
  readonly oldestActiveSince: number | undefined;
  readonly bytesSent: number;
  /** Mean of the recent answers, ms. */
  readonly averageResponseMs: number;
}

interface Active {
  readonly response: ServerResponse;
  readonly since: number;
}

/** The connections of one process, wherever they were accepted. */
export class Connections {
  readonly #server: Server;
  readonly #specs: ReadonlyMap<string, ListenerSpec>;
  readonly #open = new Set<Socket>();
  readonly #active = new Set<Active>();
  readonly #recent: number[] = [];
  #requests = 0;
  #txClosed = 0;
  #draining = false;
  #onEmpty: () => void = () => undefined;

  constructor({ app, listeners }: ConnectionsOptions) {
    this.#specs = new Map(listeners.map((spec) => [spec.id, spec]));
    const { headersTimeout, keepAliveTimeout } = limits;
    // An upload may take as long as it takes, but headers may not (slow clients would hold sockets).
    this.#server = createServer(
      { requestTimeout: 0, headersTimeout, keepAliveTimeout },
      (request, response) => {
        this.#account(request, response);
        app(request, response);
      },
    );
    this.#server.setTimeout(limits.idleTimeout);
    // It never listens itself, and looks after its time-outs only once it thinks so.
    this.#server.emit("listening");
  }

  accept(listenerId: string, socket: Socket): void {
    const spec = this.#specs.get(listenerId);
    if (spec === undefined) {
      socket.destroy();
      return;
    }
    this.#open.add(socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      this.#txClosed += socket.bytesWritten;
      if (this.#open.size === 0) this.#onEmpty();
    });
    socket.on("error", () => socket.destroy());
    if (spec.proxyHeader === true) readProxyHeader(socket, () => this.#begin(socket));
    else this.#begin(socket);
  }

  /**
   * Ends the connections without breaking a request: the next response on each says that it is the last, idle ones end after a
   * short grace. Resolves when none is left, or after `patience` ms, when the rest is cut.
   */
  async drain(patience: number, idleGrace = GRACE): Promise<void> {
    this.#draining = true;
    for (const { response } of this.#active) this.#sayLast(response);
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    if (this.#open.size === 0) return this.#close();
    const grace = setTimeout(
      () => {
        this.#server.closeIdleConnections();
        for (const { response } of this.#active) if (isEventStream(response)) response.end();
      },
      Math.min(idleGrace, patience),
    );
    const end = setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, patience);
    await empty;
    clearTimeout(grace);
    clearTimeout(end);
    this.#close();
  }

  counts(): ConnectionCounts {
    const oldest = Math.min(
      ...[...this.#active].filter(({ response }) => !response.headersSent).map(({ since }) => since),
    );
    const sum = this.#recent.reduce((total, time) => total + time, 0);
    return {
      open: this.#open.size,
      active: this.#active.size,
      requests: this.#requests,
      oldestActiveSince: Number.isFinite(oldest) ? oldest : undefined,
      averageResponseMs: this.#recent.length === 0 ? 0 : sum / this.#recent.length,
      bytesSent: [...this.#open].reduce((total, socket) => total + socket.bytesWritten, this.#txClosed),
    };
  }

  #begin(socket: Socket): void {
    this.#server.emit("connection", socket);
    socket.resume();
  }

  #account(_request: IncomingMessage, response: ServerResponse): void {
    const active = { response, since: Date.now() };
    const began = performance.now();
    this.#active.add(active);
    if (this.#draining) this.#sayLast(response);
    response.once("close", () => {
      this.#active.delete(active);
      this.#requests += 1;
      this.#recent.push(performance.now() - began);
      if (this.#recent.length > RECENT) this.#recent.shift();
    });
  }

  #sayLast(response: ServerResponse): void {
    if (!response.headersSent) response.setHeader("connection", "close");
    // Its headers have promised more; the connection is idle after it, and ends then.
    else response.once("close", () => setTimeout(() => this.#server.closeIdleConnections(), GRACE).unref());
  }

  #close(): void {
    // Ends the looking after time-outs; it has no socket of its own to close.
    this.#server.close(() => undefined);
  }
}

function isEventStream(response: ServerResponse): boolean {
  return String(response.getHeader("content-type")).startsWith("text/event-stream");
}

/** PROXY protocol, version 1: one line before anything else. */
function readProxyHeader(socket: Socket, next: () => void): void {
  let head = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n");
    if (end < 0 && head.length <= 107) return;
    socket.off("data", onData);
    const [word, family, source, , port] = head.subarray(0, Math.max(end, 0)).toString("latin1").split(" ");
    if (word !== "PROXY") {
      socket.destroy();
      return;
    }
    if (family !== "UNKNOWN") {
      Object.defineProperty(socket, "remoteAddress", { value: source });
      Object.defineProperty(socket, "remotePort", { value: Number(port) });
    }
    socket.pause();
    if (end + 2 < head.length) socket.unshift(head.subarray(end + 2));
    next();
  };
  socket.on("data", onData);
  socket.resume();
}
