/** What the heartbeat thread of a handler needs: an entry of its own, since each thread loads its modules for itself. */
export { openDatabase, type DatabaseAddress } from "./open-database.ts";
export { heartbeatIfLive } from "./queries/heartbeat.ts";
export type { Database } from "./sql.ts";
