export { createApp } from "./create-app.ts";
export type { WebContext } from "./web-context.ts";
export { EventFeed } from "./event-feed.ts";
export { Hints } from "./hints.ts";
export { SubmitQueue } from "./submit-queue.ts";
export type {
  ChildState,
  FarmState,
  MuleState,
  SocketState,
  TreeState,
  WorkerState,
} from "./master/tree-state.ts";
export { Connections } from "./serve/connections.ts";
export type { ConnectionCounts, ConnectionsOptions } from "./serve/connections.ts";
export { DEFAULT_LIMITS } from "./serve/connection-limits.ts";
export type { ConnectionLimits } from "./serve/connection-limits.ts";
export { TrustedProxies } from "./serve/forwarded.ts";
export { boundAddress, listen } from "./serve/listening.ts";
export { proxyLine } from "./serve/proxy-header.ts";
export { staticMap } from "./serve/static-map.ts";
export type { StaticMap } from "./serve/static-map.ts";
export { ProcessMetrics } from "./serve/metrics-exchange.ts";
export type { MetricsFromChild, MetricsReport, MetricsToChild } from "./master/metrics-messages.ts";
export { MetricsGatherer } from "./master/metrics-gatherer.ts";
export type { MetricsChild } from "./master/metrics-gatherer.ts";
export { StatsServer } from "./master/stats-server.ts";
export type * from "./master/tree-state.ts";
