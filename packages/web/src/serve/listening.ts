import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { shownAddress } from "@galaxy-jobs/runtime";
import type { ListenerAddress } from "./listener-spec.ts";

/** The kernel's sun_path without its final zero, bytes. */
const longestPath = 107;

/**
 * Opens a listening socket. Its connections come paused and unread, so that they can be handed to another process.
 * @throws Error that names the address and the remedy
 */
export async function listen(address: ListenerAddress, onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, onSocket);
  if ("path" in address) await prepare(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(explain(error, address)));
    server.listen(
      "path" in address
        ? { path: address.path }
        : "fd" in address
          ? { fd: address.fd }
          : { host: address.host, port: address.port },
      resolve,
    );
  });
  try {
    if ("path" in address) restrict(address);
  } catch (error) {
    server.close();
    throw error;
  }
  return server;
}

/** As people write it: host:port with the port that the system gave, or the path. */
export function boundAddress(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return `unix:${bound ?? ""}`;
  const { family, address, port } = bound;
  return `${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

/** Makes way for a unix socket: the one that a killed process left behind goes, one that answers stays. */
async function prepare(path: string): Promise<void> {
  if (Buffer.byteLength(path) > longestPath) {
    throw new Error(
      `the socket path ${path} has ${Buffer.byteLength(path)} bytes; the system allows ${longestPath}: choose a shorter one, for example under /run`,
    );
  }
  // The bind itself would say "permission denied" of a folder that is not there.
  if (!existsSync(dirname(path)))
    throw new Error(
      `cannot listen on ${path}: the folder ${dirname(path)} does not exist; make it, or choose another path`,
    );
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new Error(
      `cannot listen on ${path}: there is a file that is no socket; remove it or choose another path`,
    );
  if (await answers(path))
    throw new Error(`cannot listen on ${path}: another program does; stop it or choose another path`);
  try {
    unlinkSync(path);
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, { path });
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    // Without the right to connect, somebody may listen there.
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}

function restrict({ path, mode, owner, group }: Extract<ListenerAddress, { path: string }>): void {
  try {
    if (owner !== undefined || group !== undefined)
      chownSync(path, accountId("passwd", owner), accountId("group", group));
    if (mode !== undefined) chmodSync(path, mode);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(
      code === "EPERM"
        ? `cannot give the socket ${path} to ${owner ?? ""}:${group ?? ""}: only root may give a file away; use a group that this user is in`
        : `cannot set the owner or mode of the socket ${path}: ${message}`,
      { cause: error },
    );
  }
}

/** @returns -1 leaves it as it is */
function accountId(database: "passwd" | "group", name: string | undefined): number {
  if (name === undefined) return -1;
  if (/^\d+$/.test(name)) return Number(name);
  try {
    const entry = execFileSync("getent", ["--", database, name], { encoding: "utf8", timeout: 10_000 });
    return Number(entry.split(":")[2]);
  } catch (error) {
    throw new Error(`there is no ${database === "passwd" ? "user" : "group"} ${name}`, { cause: error });
  }
}

function explain(error: NodeJS.ErrnoException, address: ListenerAddress): Error {
  return new Error(`cannot listen on ${shownAddress(address)}: ${remedyOf(error, address)}`, {
    cause: error,
  });
}

function remedyOf(error: NodeJS.ErrnoException, address: ListenerAddress): string {
  const isPath = "path" in address;
  switch (error.code) {
    case "EADDRINUSE":
      return `another program does; stop it, or choose another ${isPath ? "path" : "port in web.http"}`;
    case "EACCES":
    case "EPERM":
      return isPath
        ? "permission denied; choose a folder that this user may write to"
        : "ports below 1024 need privileges; choose a higher port in web.http";
    case "EADDRNOTAVAIL":
      return "this host has no such address";
    case "EINVAL":
    case "ENOTSOCK":
    case "EBADF":
      return "it is no listening socket; did systemd pass one (LISTEN_FDS)?";
    default:
      return error.message;
  }
}
