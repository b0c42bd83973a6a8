import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Peer } from "./forwarded.ts";
import {
  packetHeaderBytes,
  parseVariables,
  readPacketHeader,
  toRequest,
  UwsgiFault,
  type UwsgiRequest,
} from "./uwsgi-packet.ts";

/**
 * A uwsgi connection as the HTTP connection that it stands for: what is read from it is an HTTP/1.0 request made of the
 * packet, with the body streamed behind; what is written goes to the proxy as it is, for that is the form of an answer. So
 * Node's own parser, limits and time-outs hold here too.
 */
export class UwsgiStream extends Duplex {
  readonly #socket: Socket;
  /** Bytes of the body still to come. */
  #left: number | "chunked";

  constructor(socket: Socket, { head, body }: UwsgiRequest) {
    // An aborted answer must not leave the socket open.
    super({ allowHalfOpen: true, emitClose: true });
    this.#socket = socket;
    this.#left = body;
    this.push(Buffer.from(head, "latin1"));
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    // A client that closed its side behind a whole request still wants the answer.
    socket.on("end", () => {
      if (this.#left !== 0) this.push(null);
    });
    socket.on("timeout", () => this.emit("timeout"));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten;
  }

  /** As of a socket; the HTTP server sets its idle time-out with it. */
  setTimeout(ms: number, listener?: () => void): this {
    this.#socket.setTimeout(ms, listener);
    return this;
  }

  /** As of a socket: ends when everything is written. The HTTP server closes with it. */
  destroySoon(): void {
    this.end();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => {
      done();
      this.destroy();
    });
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #receive(chunk: Buffer): void {
    if (this.#left === "chunked") {
      if (!this.push(chunk)) this.#socket.pause();
      return;
    }
    // What a proxy sends behind the body is no second request.
    const part = chunk.subarray(0, this.#left);
    this.#left -= part.length;
    if (part.length > 0 && !this.push(part)) this.#socket.pause();
  }
}

/**
 * Reads the packet of a uwsgi connection.
 * @param limits.deadline ms for the whole packet
 * @returns the stream for an HTTP server and the client that the proxy names; undefined if there is no request: it was
 *   answered with what is wrong, and `refused` was told
 */
export function openUwsgi(
  socket: Socket,
  limits: { readonly bufferBytes: number; readonly deadline: number },
  refused: (reason: string) => void,
): Promise<{ readonly stream: UwsgiStream; readonly peer: Peer } | undefined> {
  return new Promise((resolve) => {
    let received: Buffer = Buffer.alloc(0);
    const settle = (act: () => void) => {
      clearTimeout(timer);
      socket.off("data", take).off("close", gone).off("end", gone).off("error", gone).pause();
      act();
    };
    const gone = () =>
      settle(() => {
        socket.destroy();
        resolve(undefined);
      });
    const take = (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      try {
        if (received.length < packetHeaderBytes) return;
        const end = packetHeaderBytes + readPacketHeader(received, limits.bufferBytes);
        if (received.length < end) return;
        const request = toRequest(parseVariables(received.subarray(packetHeaderBytes, end)));
        settle(() => {
          if (received.length > end) socket.unshift(received.subarray(end));
          resolve({ stream: new UwsgiStream(socket, request), peer: request.peer });
        });
      } catch (error) {
        if (!(error instanceof UwsgiFault)) throw error;
        refused(error.message);
        settle(() => {
          refuse(socket, error.status);
          resolve(undefined);
        });
      }
    };
    const timer = setTimeout(() => {
      refused("the packet did not arrive in time");
      settle(() => {
        refuse(socket, 408);
        resolve(undefined);
      });
    }, limits.deadline);
    socket.on("data", take).once("close", gone).once("end", gone).once("error", gone).resume();
  });
}

const reasons = {
  400: "Bad Request",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
} as const;

/** Answers, and gives the proxy a moment to read it: a reset would take the answer away from it. */
function refuse(socket: Socket, status: keyof typeof reasons): void {
  socket.on("error", () => undefined);
  const timer = setTimeout(() => socket.destroy(), 1_000);
  socket.once("close", () => clearTimeout(timer));
  socket.end(`HTTP/1.1 ${status} ${reasons[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  socket.resume();
}
