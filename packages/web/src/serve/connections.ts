import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { Logger } from "@galaxy-jobs/runtime";
import { Connection, type Exchange } from "./connection.ts";
import { DEFAULT_LIMITS, type ConnectionLimits } from "./connection-limits.ts";
import { cleanForwarded, localPeer, plainAddress, TrustedProxies, type Peer } from "./forwarded.ts";
import { httpsRedirect } from "./https-redirect.ts";
import type { ListenerSpec } from "./listener-spec.ts";
import { readProxyHeader } from "./proxy-header.ts";
import { loadTlsIdentity, type TlsIdentity } from "./tls-certificate.ts";
import { openUwsgi } from "./uwsgi-stream.ts";

export interface ConnectionsOptions {
  readonly app: RequestListener;
  readonly listeners: readonly ListenerSpec[];
  readonly logger: Logger;
  readonly limits?: Partial<ConnectionLimits>;
  /** Whose X-Forwarded-… headers are believed; unix sockets' always are. Default: this host's. */
  readonly trustedProxies?: TrustedProxies;
}

/** What the connections of this process do, and have done. */
export interface ConnectionCounts {
  readonly open: number;
  /** Requests under way, event streams too. */
  readonly active: number;
  /** Requests that have begun, since the start. */
  readonly requests: number;
  /** Answers with a status of 500 or more. */
  readonly exceptions: number;
  /** Since when (Date.now()) the request that waits longest for its answer to begin has waited; undefined: none does. */
  readonly oldestActiveSince: number | undefined;
  readonly bytesSent: number;
  /** Moving average over about the last ten answers, ms; event streams do not count. */
  readonly averageResponseMs: number;
  /** Sum over all answers, ms; event streams do not count. */
  readonly totalResponseMs: number;
}

const loopback = ["127.0.0.0/8", "::1"];
/** How long a client has to take its last answer before the connection is cut, ms. */
const lingering = 1_000;
/** Rounds while draining, ms. */
const drainInterval = 50;

/** A longer silence on a TCP connection is probed by the kernel, ms: a client that vanished without a word is noticed. */
const probeAfter = 60_000;

/**
 * Serves connections that somebody else accepted: this process, or the master that handed them over. Each protocol is
 * brought into the form of HTTP and given to one of Node's HTTP servers, none of which listens by itself.
 */
export class Connections {
  readonly #app: RequestListener;
  readonly #logger: Logger;
  readonly #limits: ConnectionLimits;
  readonly #proxies: TrustedProxies;
  readonly #listeners: ReadonlyMap<string, ListenerSpec>;
  readonly #http: Server;
  readonly #uwsgi: Server;
  /** By the listener's id. */
  readonly #redirects: ReadonlyMap<string, Server>;
  #identities: ReadonlyMap<string, TlsIdentity>;
  readonly #open = new Set<Connection>();
  readonly #byStream = new WeakMap<Duplex, Connection>();
  /** Sockets whose PROXY line or uwsgi packet is being read. */
  readonly #opening = new Set<Socket>();
  #requests = 0;
  #exceptions = 0;
  #bytesOfClosed = 0;
  #averageMs = 0;
  #totalMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #draining: { readonly since: number; readonly idleGrace: number; empty: () => void } | undefined;

  /** @throws Error that names the file of a certificate or key that cannot be used */
  constructor(options: ConnectionsOptions) {
    this.#app = options.app;
    this.#logger = options.logger;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#proxies = options.trustedProxies ?? new TrustedProxies(loopback);
    this.#listeners = new Map(options.listeners.map((spec) => [spec.id, spec]));
    for (const spec of options.listeners) checkListener(spec);
    this.#identities = loadIdentities(options.listeners);
    this.#http = this.#server(this.#limits.headerBytes, this.#app);
    // A header is longer than its variable: "HTTP_X" and two lengths become "x: " and a line end.
    this.#uwsgi = this.#server(this.#limits.uwsgiBufferBytes * 2 + 1024, this.#app);
    const redirects = options.listeners.filter(({ protocol }) => protocol === "http-to-https");
    this.#redirects = new Map(
      redirects.map((spec) => [
        spec.id,
        this.#server(this.#limits.headerBytes, httpsRedirect(httpsPort(spec, options.listeners))),
      ]),
    );
  }

  /** Takes a connection. An unknown listener, or one that went away, closes it. */
  accept(listenerId: string, socket: Socket): void {
    const spec = this.#listeners.get(listenerId);
    // Sockets that come over IPC have not got it. Without it, the end of a request would end the answer.
    socket.allowHalfOpen = true;
    if (spec === undefined || socket.destroyed) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    if (!("path" in spec.address)) socket.setKeepAlive(true, probeAfter);
    this.#admit(spec, socket).catch((error: unknown) => {
      this.#logger.warn("web.connection", { listener: spec.id, error });
      socket.destroy();
    });
  }

  /**
   * Lets go of all connections: requests under way are answered, with `Connection: close`; so are those that still come
   * on kept connections. Event streams end at once, since their clients come back by themselves.
   * @param patience ms; what is open then is cut
   * @param idleGrace ms that a connection without a request is still kept: a client may be about to send one
   * @returns resolves when none is left
   */
  async drain(patience: number, idleGrace = 1_000): Promise<void> {
    if (this.#draining !== undefined) throw new Error("these connections are being drained already");
    const empty = new Promise<void>((resolve) => {
      this.#draining = { since: performance.now(), idleGrace, empty: resolve };
    });
    for (const { exchanges } of this.#open) for (const exchange of exchanges) announceEnd(exchange);
    this.#sweep();
    const timer = setTimeout(() => this.#cut(), patience);
    try {
      if (this.#left > 0) await empty;
    } finally {
      clearTimeout(timer);
    }
  }

  counts(): ConnectionCounts {
    const clock = Date.now() - performance.now();
    let oldest: number | undefined;
    let active = 0;
    let bytesSent = this.#bytesOfClosed;
    for (const connection of this.#open) {
      bytesSent += connection.bytesWritten;
      for (const exchange of connection.exchanges) {
        active += 1;
        if (exchange.response.headersSent) continue;
        oldest = Math.min(oldest ?? Number.POSITIVE_INFINITY, connection.owedSince(exchange));
      }
    }
    return {
      open: this.#left,
      active,
      requests: this.#requests,
      exceptions: this.#exceptions,
      oldestActiveSince: oldest === undefined ? undefined : Math.round(clock + oldest),
      bytesSent,
      averageResponseMs: this.#averageMs,
      totalResponseMs: this.#totalMs,
    };
  }

  /**
   * Reads all certificates anew, for the connections to come.
   * @throws Error that names the file of one that cannot be used; all stay as they were then
   */
  reloadCertificates(): void {
    this.#identities = loadIdentities([...this.#listeners.values()]);
  }

  get #left(): number {
    return this.#open.size + this.#opening.size;
  }

  #server(headerBytes: number, listener: RequestListener): Server {
    const server = createServer({
      maxHeaderSize: headerBytes,
      keepAliveTimeout: this.#limits.keepAliveTimeout,
      // Both are looked after by the sweep: Node's checks run for servers that listen by themselves only.
      headersTimeout: 0,
      requestTimeout: 0,
    });
    server.timeout = this.#limits.idleTimeout;
    server.on("request", (request, response) => this.#serve(request, response, listener));
    server.on("clientError", (error: NodeJS.ErrnoException, stream) => this.#refuse(error, stream));
    return server;
  }

  async #admit(spec: ListenerSpec, socket: Socket): Promise<void> {
    let peer = peerOf(spec, socket, this.#proxies);
    if (spec.proxyHeader === true) {
      const named = await this.#opened(socket, readProxyHeader(socket, this.#limits.headersTimeout));
      if (named === undefined) return;
      peer = trust(named, this.#proxies);
    }
    if (spec.protocol === "uwsgi") {
      const limits = {
        bufferBytes: this.#limits.uwsgiBufferBytes,
        deadline: this.#limits.headersTimeout,
      };
      const refused = (reason: string) =>
        this.#logger.warn("web.uwsgi-refused", { listener: spec.id, reason });
      const opened = await this.#opened(socket, openUwsgi(socket, limits, refused));
      if (opened === undefined) return;
      this.#track(this.#uwsgi, socket, opened.stream, trust(opened.peer, this.#proxies));
      return;
    }
    if (spec.protocol === "https") {
      const { context } = this.#identities.get(spec.id)!;
      const tls = new TLSSocket(socket, {
        isServer: true,
        secureContext: context,
        ALPNProtocols: ["http/1.1"],
      });
      // Node leaves a failed handshake's socket to whoever made it.
      tls.once("close", () => socket.destroy());
      this.#track(this.#http, socket, tls, peer);
      return;
    }
    this.#track(this.#redirects.get(spec.id) ?? this.#http, socket, socket, peer);
  }

  async #opened<T>(socket: Socket, opening: Promise<T>): Promise<T> {
    this.#opening.add(socket);
    try {
      return await opening;
    } finally {
      this.#opening.delete(socket);
      this.#lookEmpty();
    }
  }

  #track(server: Server, socket: Socket, stream: Duplex, peer: Peer): void {
    const counted = stream instanceof TLSSocket ? stream : socket;
    const connection = new Connection({ socket, stream, counted, peer });
    show(stream, peer);
    this.#open.add(connection);
    this.#byStream.set(stream, connection);
    stream.once("close", () => {
      this.#open.delete(connection);
      this.#bytesOfClosed += connection.bytesWritten;
      this.#lookEmpty();
    });
    server.emit("connection", stream);
    // Accepted in the paused state, so that no byte is read by the process that only hands it on.
    stream.resume();
    this.#timer ??= this.#later();
  }

  #serve(request: IncomingMessage, response: ServerResponse, listener: RequestListener): void {
    const connection = this.#byStream.get(request.socket)!;
    const exchange = connection.begin(request, response);
    this.#requests += 1;
    cleanForwarded(request, connection.peer, this.#proxies);
    if (this.#draining !== undefined) announceEnd(exchange);
    response.once("close", () => {
      connection.end(exchange);
      this.#count(exchange);
    });
    listener(request, response);
  }

  #count({ response, began }: Exchange): void {
    if (response.statusCode >= 500) this.#exceptions += 1;
    if (!response.writableFinished || isEventStream(response)) return;
    const took = performance.now() - began;
    this.#totalMs += took;
    this.#averageMs = this.#averageMs === 0 ? took : this.#averageMs + (took - this.#averageMs) / 10;
  }

  /** What the parser did not take: answered, unless an answer has begun; then closed. */
  #refuse(error: NodeJS.ErrnoException, stream: Duplex): void {
    const connection = this.#byStream.get(stream);
    if (connection === undefined || connection.lingersUntil !== undefined) return;
    const status = error.code === "HPE_HEADER_OVERFLOW" ? 431 : 400;
    if (error.code === "ECONNRESET" || !stream.writable) stream.destroy();
    else this.#close(connection, status);
  }

  #close(connection: Connection, status: keyof typeof statusLines): void {
    const { stream } = connection;
    const answering = [...connection.exchanges].some(({ response }) => response.headersSent);
    connection.lingersUntil = performance.now() + lingering;
    if (answering || !stream.writable) stream.destroy();
    else
      stream.end(
        `HTTP/1.1 ${status} ${statusLines[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      );
  }

  #later(): NodeJS.Timeout {
    const wait = this.#draining === undefined ? this.#limits.sweepInterval : drainInterval;
    // It looks after sockets, which keep the process alive by themselves.
    return setTimeout(() => this.#sweep(), wait).unref();
  }

  #sweep(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    for (const connection of this.#open) this.#look(connection, now);
    this.#timer = this.#open.size > 0 ? this.#later() : undefined;
  }

  #look(connection: Connection, now: number): void {
    if (connection.lingersUntil !== undefined) {
      if (now > connection.lingersUntil) connection.stream.destroy();
      return;
    }
    switch (connection.judge(now, this.#limits)) {
      case "slow-headers":
      case "slow-body":
        this.#close(connection, 408);
        return;
      case "never-used":
        connection.stream.destroy();
        return;
      case "good":
        if (this.#draining !== undefined) this.#release(connection, now);
    }
  }

  #release(connection: Connection, now: number): void {
    for (const { response } of connection.exchanges) if (isEventStream(response)) endStream(response);
    const { since, idleGrace } = this.#draining!;
    if (!connection.idle || now - Math.max(since, connection.quietSince) < idleGrace) return;
    const bytes = connection.bytesRead;
    // What lies in the socket already is read before this runs, and then it is a request under way.
    setImmediate(() => {
      if (!connection.idle || connection.bytesRead !== bytes || connection.stream.destroyed) return;
      connection.lingersUntil = performance.now() + lingering;
      connection.stream.end();
    });
  }

  #cut(): void {
    for (const socket of this.#opening) socket.destroy();
    for (const { stream, socket } of this.#open) {
      stream.destroy();
      socket.destroy();
    }
  }

  #lookEmpty(): void {
    if (this.#left === 0) this.#draining?.empty();
  }
}

const statusLines = {
  400: "Bad Request",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
} as const;

function announceEnd({ response }: Exchange): void {
  if (!response.headersSent) response.setHeader("connection", "close");
}

function isEventStream(response: ServerResponse): boolean {
  return (
    response.headersSent && String(response.getHeader("content-type") ?? "").startsWith("text/event-stream")
  );
}

function endStream(response: ServerResponse): void {
  if (response.writableEnded) return;
  // Its route may write once more before it hears of the end.
  response.on("error", () => undefined);
  response.end();
}

function peerOf(spec: ListenerSpec, socket: Socket, proxies: TrustedProxies): Peer {
  const { remoteAddress, remotePort } = socket;
  if ("path" in spec.address) return localPeer;
  // A descriptor may be a unix socket; a TCP client that is gone already shows no address either.
  if (remoteAddress === undefined) return { ...localPeer, trusted: false };
  return trust({ address: plainAddress(remoteAddress), port: remotePort, trusted: false }, proxies);
}

function trust(peer: Peer, proxies: TrustedProxies): Peer {
  return peer.trusted ? peer : { ...peer, trusted: proxies.has(peer.address) };
}

/** Express reads the client's address and whether TLS is used from these. */
function show(stream: Duplex, { address, port, secure }: Peer): void {
  Object.defineProperty(stream, "remoteAddress", { value: address, configurable: true });
  Object.defineProperty(stream, "remotePort", { value: port, configurable: true });
  if (secure !== undefined) Object.defineProperty(stream, "encrypted", { value: secure, configurable: true });
}

function checkListener(spec: ListenerSpec): void {
  if (spec.proxyHeader === true && !("path" in spec.address)) {
    throw new Error(
      `the listener ${spec.id} takes PROXY lines, which anybody could write; it must be a unix socket`,
    );
  }
}

function loadIdentities(listeners: readonly ListenerSpec[]): ReadonlyMap<string, TlsIdentity> {
  const identities = new Map<string, TlsIdentity>();
  for (const { id, protocol, tls } of listeners) {
    if (protocol !== "https") continue;
    if (tls === undefined) {
      throw new Error(
        `the listener ${id} is https and names no certificate; write https: ADDRESS,CERTIFICATE,KEY`,
      );
    }
    identities.set(id, loadTlsIdentity(tls));
  }
  return identities;
}

/** Where http-to-https sends clients: as configured, else to the first https listener. */
function httpsPort({ httpsPort }: ListenerSpec, listeners: readonly ListenerSpec[]): number {
  if (httpsPort !== undefined) return httpsPort;
  for (const { protocol, address } of listeners)
    if (protocol === "https" && "port" in address) return address.port;
  return 443;
}
