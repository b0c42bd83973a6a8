import type { DaemonContext } from "@galaxy-jobs/runtime";
import type { ListeningSockets } from "../master/listening-sockets.ts";
import { ZergPool } from "./zerg-pool.ts";

/** A process that owns the public sockets of a site and runs no application. */
export async function runPool(context: DaemonContext, sockets: ListeningSockets): Promise<void> {
  context.onForce(() => sockets.close());
  await context.run(new ZergPool(sockets, context.logger));
  for (const { shown, spec } of sockets.list)
    context.logger.info(spec.id === "control" ? "zerg.pool" : "web.listening", { address: shown });
}
