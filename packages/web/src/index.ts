export { createApp } from "./create-app.ts";
export type { WebContext } from "./web-context.ts";
export { EventFeed } from "./event-feed.ts";
export { Hints } from "./hints.ts";
export type {
  ChildState,
  FarmState,
  MuleState,
  SocketState,
  TreeState,
  WorkerState,
} from "./master/tree-state.ts";
