export { createApp } from "./create-app.ts";
export type { WebContext } from "./web-context.ts";
