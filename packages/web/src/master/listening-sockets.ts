import fs from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import {
  findGroup,
  findUserId,
  shownAddress,
  type ListenerSpec,
  type UnixAddress,
} from "@galaxy-jobs/runtime";
import { ConnectionQueue } from "./connection-queue.ts";

/** Takes an accepted, paused connection. */
export type OnConnection = (listener: string, socket: Socket) => void;

export interface BoundSocket {
  readonly spec: ListenerSpec;
  /** As bound, e.g. `http://127.0.0.1:8080`. */
  readonly shown: string;
  readonly accepted: number;
}

interface Bound {
  readonly spec: ListenerSpec;
  readonly server: Server;
  readonly shown: string;
  accepted: number;
}

/**
 * The listening sockets of a process: bound all together or not at all, and before privileges are given up. Who takes the
 * connections may come later; until then they wait.
 */
export class ListeningSockets {
  readonly #backlog: number;
  readonly #bound: Bound[] = [];
  readonly #early = new ConnectionQueue();
  #onConnection: OnConnection | undefined;

  /** @param backlog connections that the kernel holds for each socket */
  constructor(backlog: number) {
    this.#backlog = backlog;
  }

  get list(): readonly BoundSocket[] {
    return this.#bound;
  }

  /** @throws Error that names the address and what to do */
  async bind(specs: readonly ListenerSpec[]): Promise<void> {
    try {
      for (const spec of specs) await this.#bindOne(spec);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Takes a socket that was bound and passed by somebody else.
   * @param decide told where it is bound (undefined where Node does not know), what is spoken on it
   */
  async adopt(
    fd: number,
    decide: (bound: { host: string; port: number } | undefined) => ListenerSpec,
  ): Promise<void> {
    const server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true });
    const fallback: ListenerSpec = { id: `fd ${fd}`, protocol: "http", address: { fd } };
    await listen(server, fallback, this.#backlog).catch((error: unknown) => {
      throw explain(error as NodeJS.ErrnoException, fallback);
    });
    const bound = server.address();
    const address = bound === null || typeof bound === "string" ? undefined : bound;
    this.#keep(
      decide(address === undefined ? undefined : { host: address.address, port: address.port }),
      server,
    );
  }

  serve(onConnection: OnConnection): void {
    this.#onConnection = onConnection;
    for (let held = this.#early.next(); held !== undefined; held = this.#early.next())
      onConnection(held.listener, held.socket);
  }

  /** Synchronous: also the last thing of a process. */
  close(): void {
    for (const { server } of this.#bound.splice(0)) server.close();
    this.#early.clear();
  }

  async #bindOne(spec: ListenerSpec): Promise<void> {
    const { address } = spec;
    if ("path" in address) await clearStale(address.path);
    // Nothing is read before somebody answers, maybe in another process.
    const server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true });
    try {
      await listen(server, spec, this.#backlog);
    } catch (error) {
      throw explain(error as NodeJS.ErrnoException, spec);
    }
    if ("path" in address) settleOwner(address);
    this.#keep(spec, server);
  }

  #keep(spec: ListenerSpec, server: Server): void {
    const bound: Bound = { spec, server, shown: shownBound(spec, server), accepted: 0 };
    this.#bound.push(bound);
    server.on("connection", (socket) => {
      bound.accepted += 1;
      socket.on("error", () => socket.destroy());
      if (this.#onConnection === undefined) this.#early.hold(spec.id, socket);
      else this.#onConnection(spec.id, socket);
    });
    // EMFILE and the like: the connection is lost, the socket lives on.
    server.on("error", () => undefined);
  }
}

function listen(server: Server, { address }: ListenerSpec, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...("path" in address ? { path: address.path } : address), backlog }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** A socket file that nobody listens on is what a killed process left behind. @throws when it is anything else */
async function clearStale(path: string): Promise<void> {
  let found: fs.Stats;
  try {
    // Not lstatSync: in Node 20.20, after a synchronous stat of a socket, import() takes symbolic links for plain folders.
    found = await fs.promises.lstat(path);
  } catch {
    return;
  }
  if (!found.isSocket()) throw new Error(`cannot listen on ${path}: there is a file which is no socket`);
  const code = await answerOf(path);
  if (code === undefined)
    throw new Error(`cannot listen on ${path}: another program does; stop it, or choose another path`);
  if (code === "EACCES" || code === "EPERM")
    throw new Error(`cannot listen on ${path}: the socket belongs to somebody else (uid ${found.uid})`);
  try {
    fs.unlinkSync(path);
  } catch (error) {
    throw new Error(
      `cannot listen on ${path}: the socket of uid ${found.uid} is left over and cannot be removed (${(error as NodeJS.ErrnoException).code})`,
      { cause: error },
    );
  }
}

/** The error code of a connection to the path; undefined: somebody answers. */
function answerOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.setTimeout(2000, () =>
      socket.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })),
    );
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    // A full queue is somebody who is busy.
    socket.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code === "EAGAIN" || error.code === "ETIMEDOUT" ? undefined : error.code),
    );
  });
}

function settleOwner({ path, mode, owner, group }: UnixAddress): void {
  try {
    if (mode !== undefined) fs.chmodSync(path, mode);
    if (owner === undefined && group === undefined) return;
    const uid = owner === undefined ? -1 : findUserId(owner);
    fs.chownSync(path, uid, group === undefined ? -1 : findGroup(group));
  } catch (error) {
    throw new Error(`cannot give ${path} its owner or permissions: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function shownBound(spec: ListenerSpec, server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return `${spec.protocol} on ${bound ?? spec.id}`;
  const { address: host, port } = bound as AddressInfo;
  const scheme = spec.protocol === "http-to-https" ? "http" : spec.protocol;
  return `${scheme}://${shownAddress({ host, port })}`;
}

function explain(error: NodeJS.ErrnoException, { address, protocol }: ListenerSpec): Error {
  const place = shownAddress(address);
  const reasons: Record<string, string> = {
    EADDRINUSE: `another program does; stop it, or set web.${protocol} to another port`,
    EACCES:
      "path" in address
        ? "this account may not make a socket there"
        : `ports below 1024 need privileges; choose a higher port in web.${protocol}, or start as root with uid and gid`,
    EADDRNOTAVAIL: "this machine has no such address",
    ENOENT: "there is no such folder",
  };
  return new Error(`cannot listen on ${place}: ${reasons[error.code ?? ""] ?? error.message}`, {
    cause: error,
  });
}
