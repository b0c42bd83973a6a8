import {
  commandLine,
  daemonOptions,
  Loop,
  runDaemon,
  tellMaster,
  type DaemonArguments,
  type DaemonContext,
  type ListenerSpec,
} from "@galaxy-jobs/runtime";
import { checkRules, isWebHandler, type MuleMessages } from "@galaxy-jobs/handler";
import type { Socket } from "node:net";
import { startApplication } from "./application.ts";
import type { FromChild, ToWorker, WorkerStatus } from "./master/child-messages.ts";
import type { Connections } from "./serve/connections.ts";
import { makeConnections } from "./serve/make-connections.ts";
import { ProcessMetrics } from "./serve/metrics-exchange.ts";

/** Between two statuses, ms. */
const STATUS_INTERVAL = 1000;
/** A worker whose master was killed ends by itself: what its connections get to end, ms. */
const ORPHAN_PATIENCE = 5000;

/**
 * The web worker: a child of a master, which accepts the connections and hands them over (the master's view of it is
 * master/child-handle.ts). It ends when it is told to, and when its master has gone.
 */
const parser = daemonOptions(commandLine("galaxy-web worker", process.argv.slice(2))).option("awaits-name", {
  type: "boolean",
  describe: "The process that has the server name is about to end",
});
const args = (await parser.parse()) as unknown as DaemonArguments & { readonly awaitsName?: boolean };

// What the master sends while the application loads is kept.
const early: [ToWorker, Socket | undefined][] = [];
let onMessage = (message: ToWorker, socket?: Socket): void => void early.push([message, socket]);
process.on("message", (message: ToWorker, socket?: Socket) => onMessage(message, socket));

await runDaemon({
  name: "galaxy-web worker",
  arguments: args,
  // The master has the clock; this one is for a worker that it left behind.
  settings: ({ web, monitorThreadJoinTimeout }) => ({
    patience: Math.max(web.tree.workerMercy, monitorThreadJoinTimeout),
  }),
  check: (config) => (isWebHandler(config, config.web.tree.farms.length > 0) ? checkRules(config) : []),
  main,
});

async function main(context: DaemonContext): Promise<void> {
  if (!context.isChild) throw new Error("a worker is started by its master: run galaxy-web");
  process.once("disconnect", () => context.end(0, "the master has gone"));
  if (!process.connected) return context.end(0, "the master has gone");
  let metrics: ProcessMetrics | undefined;
  const application = await startApplication(context, {
    mules: context.config.web.tree.farms.length > 0 ? messagesOverMaster(context) : undefined,
    awaitsName: args.awaitsName === true,
    metrics: (own) => (metrics = new ProcessMetrics(own, (message) => void tell(message))),
  });
  const connections = makeConnections(context.config, {
    app: application.listener,
    listeners: await firstListeners(),
    logger: context.logger,
  });
  let accepted = 0;
  let patience = ORPHAN_PATIENCE;
  onMessage = (message, socket) => {
    switch (message.type) {
      case "connection":
        accepted = message.number;
        void tell({ type: "accepted", number: message.number });
        // A client that left while its connection was handed over.
        if (socket !== undefined) connections.accept(message.listener, socket);
        return;
      case "drain":
        patience = message.patience;
        context.end(0, "the master asked");
        return;
      case "start":
        return;
      case "metrics-request":
      case "metrics-gathered":
        void metrics?.receive(message);
        return;
    }
  };
  await context.run({
    name: "connections",
    start: () => Promise.resolve(),
    stop: async () => {
      // The name is for the next worker as soon as possible, whatever the connections still do.
      await Promise.all([application.jobHandler?.stop(), connections.drain(patience)]);
      await tell({ type: "drained" });
    },
  });
  const status = new Loop({
    name: "status",
    work: async () => {
      await tell(statusOf(connections, accepted));
      return STATUS_INTERVAL;
    },
    onError: (error) => context.logger.debug("worker.status", { error }),
  });
  await context.run(status);
  for (const [message, socket] of early.splice(0)) onMessage(message, socket);
  await tell({ type: "ready", serverName: context.config.serverName });
}

/** The sockets that the master listens on come with its first message. */
function firstListeners(): Promise<readonly ListenerSpec[]> {
  return new Promise((resolve) => {
    const first = early[0]?.[0];
    if (first?.type === "start") return resolve(first.listeners);
    onMessage = (message, socket) => {
      early.push([message, socket]);
      if (message.type === "start") resolve(message.listeners);
    };
  });
}

function statusOf(connections: Connections, accepted: number): WorkerStatus {
  const {
    open,
    active,
    requests,
    oldestActiveSince,
    averageResponseMs,
    bytesSent,
    exceptions,
    totalResponseMs,
  } = connections.counts();
  return {
    type: "status",
    requests,
    avgRtUs: Math.round(averageResponseMs * 1000),
    rss: process.memoryUsage.rss(),
    busy: active,
    ...(oldestActiveSince === undefined ? {} : { oldestActiveSince }),
    open,
    accepted,
    txBytes: bytesSent,
    exceptions,
    runningUs: Math.round(totalResponseMs * 1000),
  };
}

function messagesOverMaster({ config }: DaemonContext): MuleMessages {
  const farms = new Set(config.web.tree.farms.map(({ name }) => name));
  return {
    hasFarm: (pool) => farms.has(pool),
    send: (farm, content) => void tell({ type: "mule", farm, content }),
  };
}

function tell(message: FromChild): Promise<void> {
  return tellMaster(message);
}
