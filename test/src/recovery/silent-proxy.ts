import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { DatabaseAddress } from "@galaxy-jobs/shared-db";
import { traversableFolder } from "../support/servers.ts";

/** A way to a database that can make its connections half-open: they stay, and nothing comes through any more. */
export interface SilentProxy {
  /** Reaches the database through the proxy. */
  readonly address: DatabaseAddress;
  /** The connections that are open now fall silent; later ones do not. */
  silence(): void;
  stop(): Promise<void>;
}

export async function startSilentProxy(to: DatabaseAddress): Promise<SilentProxy> {
  const folder = await traversableFolder("galaxy-test-proxy-");
  const pairs = new Set<[Socket, Socket]>();
  const server = createServer((near) => {
    const far = to.host.startsWith("/")
      ? connect({ path: join(to.host, `.s.PGSQL.${to.port}`) })
      : connect({ host: to.host, port: to.port });
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    for (const socket of pair) {
      socket.on("error", () => undefined);
      socket.on("close", () => pair.forEach((one) => one.destroy()));
    }
    near.on("close", () => pairs.delete(pair));
  });
  server.listen(join(folder, ".s.PGSQL.5432"));
  await once(server, "listening");
  return {
    address: { ...to, host: folder, port: 5432 },
    silence() {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        // Read and dropped, as by a router that has forgotten the connection.
        near.resume();
        far.resume();
      }
    },
    async stop() {
      for (const pair of pairs) pair.forEach((socket) => socket.destroy());
      server.close();
      await once(server, "close");
    },
  };
}
