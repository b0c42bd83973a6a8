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
 * A socket that is destroyed when something was written to it and nothing came back for `patience` ms. The kernel alone takes a
 * quarter of an hour to give up a connection whose other end is silently gone, and never gives up one to a proxy that lives.
 */
export function answeringSocket(
  to: { readonly path: string } | { readonly host: string; readonly port: number },
  patience: number,
): Socket {
  const socket = connect(to);
  const write = socket.write.bind(socket) as (...parts: unknown[]) => boolean;
  let askedAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    timer = undefined;
    if (askedAt === undefined || socket.destroyed) return;
    const left = askedAt + patience - performance.now();
    if (left <= 0) socket.destroy(new NoAnswerError(patience));
    else timer = setTimeout(look, left).unref();
  };
  socket.write = ((...parts: unknown[]) => {
    askedAt ??= performance.now();
    timer ??= setTimeout(look, patience).unref();
    return write(...parts);
  }) as Socket["write"];
  socket.on("data", () => (askedAt = undefined));
  socket.once("close", () => clearTimeout(timer));
  return socket;
}
