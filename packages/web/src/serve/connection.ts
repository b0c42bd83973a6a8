import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ConnectionLimits } from "./connection-limits.ts";
import type { Peer } from "./forwarded.ts";

/** A request under way. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** performance.now() */
  readonly began: number;
}

export type Verdict = "good" | "slow-headers" | "slow-body" | "never-used";

/** Bytes of it are counted: a TLS socket, or the TCP or unix socket itself. */
export interface CountedStream {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** One connection of a client: what it does, and since when. Times are performance.now(). */
export class Connection {
  readonly socket: Socket;
  /** What the HTTP parser reads: the socket, TLS over it, or a translation of the uwsgi protocol. */
  readonly stream: Duplex;
  readonly peer: Peer;
  readonly exchanges = new Set<Exchange>();
  readonly #counted: CountedStream;
  readonly #opened = performance.now();
  #requests = 0;
  /** Bytes read when the last request ended: more of them means that another has begun. */
  #quietBytes = 0;
  #seenBytes = 0;
  #movedAt = performance.now();
  #headSince: number | undefined;
  #window: { readonly from: number; readonly bytes: number } | undefined;
  /** No request is taken from it any more; it is destroyed at this time. */
  lingersUntil: number | undefined;

  constructor(options: { socket: Socket; stream: Duplex; counted: CountedStream; peer: Peer }) {
    this.socket = options.socket;
    this.stream = options.stream;
    this.peer = options.peer;
    this.#counted = options.counted;
  }

  get bytesRead(): number {
    return this.#counted.bytesRead;
  }

  get bytesWritten(): number {
    return this.#counted.bytesWritten;
  }

  begin(request: IncomingMessage, response: ServerResponse): Exchange {
    const exchange = { request, response, began: performance.now() };
    this.#requests += 1;
    this.#headSince = undefined;
    this.#window = undefined;
    this.#movedAt = exchange.began;
    this.exchanges.add(exchange);
    return exchange;
  }

  end(exchange: Exchange): void {
    this.exchanges.delete(exchange);
    this.#movedAt = performance.now();
    if (this.exchanges.size === 0) this.#quietBytes = this.#counted.bytesRead;
  }

  /** True if no request is under way, its head included. */
  get idle(): boolean {
    return this.exchanges.size === 0 && this.#counted.bytesRead === this.#quietBytes;
  }

  /** Since when nothing has come in. */
  get quietSince(): number {
    return this.#movedAt;
  }

  /** Since when an answer to this request is owed: as long as its body comes in, nobody is late. */
  owedSince({ request, began }: Exchange): number {
    return request.complete ? began : Math.max(began, this.#movedAt);
  }

  /** Looks how far the client has come since the last look. */
  judge(now: number, limits: ConnectionLimits): Verdict {
    const bytes = this.#counted.bytesRead;
    if (bytes !== this.#seenBytes) {
      this.#seenBytes = bytes;
      this.#movedAt = now;
    }
    if (this.exchanges.size > 0) return this.#judgeBody(now, bytes, limits);
    if (this.#requests === 0) {
      if (now - this.#opened <= limits.headersTimeout) return "good";
      return bytes === 0 ? "never-used" : "slow-headers";
    }
    if (this.idle) {
      this.#headSince = undefined;
      return "good";
    }
    this.#headSince ??= now;
    return now - this.#headSince > limits.headersTimeout ? "slow-headers" : "good";
  }

  #judgeBody(now: number, bytes: number, limits: ConnectionLimits): Verdict {
    // What has been received and not been read yet is this side's delay.
    const waits = [...this.exchanges].some(
      ({ request }) => !request.complete && request.readableLength === 0,
    );
    if (!waits) {
      this.#window = undefined;
      return "good";
    }
    this.#window ??= { from: now, bytes };
    if (now - this.#window.from < limits.bodyWindow) return "good";
    if (bytes - this.#window.bytes < limits.bodyBytes) return "slow-body";
    this.#window = { from: now, bytes };
    return "good";
  }
}
