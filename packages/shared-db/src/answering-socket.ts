import { connect, type Socket } from "node:net";

/** A server that was asked something on a connection, and did not answer. */
class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
  /** As of the kernel when it gives a connection up; `isConnectionError` knows it. */
  readonly code = "ETIMEDOUT";
  constructor(patience: number) {
    super(`the database did not answer on a connection for ${Math.round(patience / 1000)} s: it is given up`);
  }
}

/**
 * A socket for the driver, mended in three ways.
 *
 * It is destroyed when something was written to it and nothing came back for `patience` ms. The kernel alone takes a quarter of an
 * hour to give up a connection whose other end is silently gone, and never gives up one to a proxy that lives.
 *
 * It tells of an error when it closes, not some moments before: meanwhile the driver would still put queries on the connection, which
 * it then neither sends nor fails, so that they hang for ever.
 *
 * A query that the driver was about to send when a connection closed keeps it from writing to the next one. Whoever connects and says
 * nothing is closed again, until what piles up is so much that the driver sends it: a few connections later, within milliseconds.
 */
export function answeringSocket(
  to: { readonly path: string } | { readonly host: string; readonly port: number },
  patience: number,
): Socket {
  const socket = connect(to);
  let askedAt: number | undefined;
  let spoke = false;
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    timer = undefined;
    if (askedAt === undefined || socket.destroyed) return;
    const left = askedAt + patience - performance.now();
    if (left <= 0) socket.destroy(new NoAnswerError(patience));
    else timer = setTimeout(look, left).unref();
  };
  const write = socket.write.bind(socket) as (...parts: unknown[]) => boolean;
  socket.write = ((...parts: unknown[]) => {
    spoke = true;
    askedAt ??= performance.now();
    timer ??= setTimeout(look, patience).unref();
    return write(...parts);
  }) as Socket["write"];
  const emit = socket.emit.bind(socket) as (event: string, ...facts: unknown[]) => boolean;
  let failure: unknown;
  socket.emit = ((event: string, ...facts: unknown[]) => {
    if (event === "error") {
      failure ??= facts[0];
      return true;
    }
    if (event === "close" && failure !== undefined) emit("error", failure);
    return emit(event, ...facts);
  }) as Socket["emit"];
  // The driver writes at the end of the turn in which it got the socket.
  socket.once("connect", () => setImmediate(() => spoke || socket.destroy()));
  socket.on("data", () => (askedAt = undefined));
  socket.once("close", () => clearTimeout(timer));
  return socket;
}
