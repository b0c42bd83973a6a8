import { once } from "node:events";
import { connect, isIP, Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";

/** A server that was asked something on a connection, and did not answer. */
class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
  /** As of the kernel when it gives a connection up; `isConnectionError` knows it. */
  readonly code = "ETIMEDOUT";
  constructor(patience: number) {
    super(`the database did not answer on a connection for ${Math.round(patience / 1000)} s: it is given up`);
  }
}

type ServerPlace = { readonly path: string } | { readonly host: string; readonly port: number };

/** How a connection is secured: `prefer` goes on without TLS where the server has none, and only `verify-full` asks who it is. */
export type TlsMode = "require" | "prefer" | "verify-full";

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
export function answeringSocket(to: ServerPlace, patience: number): Socket {
  const socket = connect(to);
  const line = mend(socket, patience);
  socket.once("connect", line.mustSpeakSoon);
  return socket;
}

/**
 * The same with TLS, which the driver is not told of. It is connected already; where that failed, a socket that is about to say so.
 * @param timeout for all until the first query may be sent, ms
 */
export async function answeringTlsSocket(
  to: { readonly host: string; readonly port: number },
  mode: TlsMode,
  { patience, timeout }: { readonly patience: number; readonly timeout: number },
): Promise<Socket> {
  let socket: Socket;
  try {
    socket = await secured(to, mode, timeout);
  } catch (error) {
    socket = new Socket();
    setImmediate(() => socket.destroy(error as Error));
  }
  mend(socket, patience).mustSpeakSoon();
  return socket;
}

/** In PostgreSQL the client asks in the clear whether the server would speak TLS, which answers with one letter. */
const tlsRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

async function secured(
  to: { readonly host: string; readonly port: number },
  mode: TlsMode,
  timeout: number,
): Promise<Socket> {
  const plain = connect(to);
  const signal = AbortSignal.timeout(timeout);
  try {
    await once(plain, "connect", { signal });
    plain.write(tlsRequest);
    const [answer] = (await once(plain, "data", { signal })) as [Buffer];
    // More than the letter is not from a server that is about to begin with TLS.
    if (answer.toString("latin1") !== "S") {
      if (answer.toString("latin1") === "N" && mode === "prefer") return plain;
      throw new Error(
        `the database at ${to.host}:${to.port} offers no TLS, and database_connection asks for it (sslmode=${mode})`,
      );
    }
    const socket = connectSecurely({
      socket: plain,
      rejectUnauthorized: mode === "verify-full",
      // Who it is, for its certificate; the name of an address is not sent.
      host: to.host,
      ...(isIP(to.host) === 0 ? { servername: to.host } : {}),
    });
    await once(socket, "secureConnect", { signal });
    return socket;
  } catch (error) {
    plain.destroy();
    throw signal.aborted ? new NoAnswerError(timeout) : error;
  }
}

function mend(socket: Socket, patience: number): { mustSpeakSoon(): void } {
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
  socket.on("data", () => (askedAt = undefined));
  socket.once("close", () => clearTimeout(timer));
  // The driver writes at the end of the turn in which it got the socket: with the next one that is over.
  const speakOrLeave = () => spoke || socket.destroy();
  return { mustSpeakSoon: () => void setImmediate(() => setImmediate(speakOrLeave)) };
}
