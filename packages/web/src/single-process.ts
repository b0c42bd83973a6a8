import type { DaemonContext } from "@galaxy-jobs/runtime";
import { startApplication } from "./application.ts";
import type { ListeningSockets } from "./master/listening-sockets.ts";
import { makeConnections } from "./serve/make-connections.ts";

/** Requests under way get this long to end when the web tier stops, ms. */
const PATIENCE = 10_000;
/** A kept connection without a request is closed this soon then, ms. */
const IDLE_GRACE = 100;

/** A web tier without a master: one process listens, answers, and handles jobs where no handlers are configured. */
export async function runSingleProcess(context: DaemonContext, sockets: ListeningSockets): Promise<void> {
  const { config, logger } = context;
  const { listener } = await startApplication(context, { mules: undefined, awaitsName: false });
  const connections = makeConnections(config, {
    app: listener,
    listeners: sockets.list.map(({ spec }) => spec),
    logger,
  });
  await context.run({
    name: "http",
    start: () => {
      sockets.serve((id, socket) => connections.accept(id, socket));
      for (const { shown } of sockets.list) logger.info("web.listening", { address: shown });
      return Promise.resolve();
    },
    stop: () => {
      sockets.close();
      return connections.drain(PATIENCE, IDLE_GRACE);
    },
  });
}
