import { mkdtemp, rm } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { connect, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, type ListenerSpec } from "@galaxy-jobs/runtime";
import { Connections, listen, type ConnectionsOptions } from "@galaxy-jobs/web";

/** Listening sockets and the connections behind them, in this process, with an application of the test. */
export interface Tier {
  readonly connections: Connections;
  readonly folder: string;
  /** The port of a listener. */
  port(id: string): number;
  /** A new connection to a listener. */
  dial(id: string): Socket;
  stop(): Promise<void>;
}

/** A unix socket's `path` is taken as a name in the tier's folder. */
export async function startTier(
  options: Omit<ConnectionsOptions, "logger" | "listeners" | "app"> & {
    readonly app: RequestListener;
    readonly listeners: readonly ListenerSpec[];
  },
): Promise<Tier> {
  const folder = await mkdtemp(join(tmpdir(), "galaxy-tier-"));
  const listeners = options.listeners.map((spec) =>
    "path" in spec.address
      ? { ...spec, address: { ...spec.address, path: join(folder, spec.address.path) } }
      : spec,
  );
  const connections = new Connections({ ...options, listeners, logger: silentLogger });
  const servers = new Map<string, Server>();
  for (const { id, address } of listeners)
    servers.set(id, await listen(address, (socket) => connections.accept(id, socket)));
  const port = (id: string) => (servers.get(id)!.address() as AddressInfo).port;
  let drained = false;
  return {
    connections,
    folder,
    port,
    dial(id) {
      const { address } = listeners.find((spec) => spec.id === id)!;
      const socket =
        "path" in address ? connect(address.path) : connect({ host: "127.0.0.1", port: port(id) });
      socket.on("error", () => undefined);
      return socket;
    },
    async stop() {
      for (const server of servers.values()) server.close();
      if (!drained) {
        drained = true;
        await connections.drain(0).catch(() => undefined);
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const http = (id = "http"): ListenerSpec => ({
  id,
  protocol: "http",
  address: { host: "127.0.0.1", port: 0 },
});

/** Everything that a connection says until it ends, as latin1 text. */
export function everything(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  });
}

/** Waits for text on a connection. @returns what came until then */
export function said(socket: Socket, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const take = (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (!pattern.test(text)) return;
      socket.off("data", take).off("close", lost);
      resolve(text);
    };
    const lost = () => reject(new Error(`the connection ended after ${JSON.stringify(text)}`));
    socket.on("data", take).once("close", lost);
  });
}
