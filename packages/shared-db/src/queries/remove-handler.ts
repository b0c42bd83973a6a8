import type { Database } from "../sql.ts";
import { listHandlers, type HandlerRow } from "./list-handlers.ts";
import { recordOperatorAction } from "./operator-actions.ts";

/**
 * Forgets a server name: its past starts and its drain. Nothing is done while it is live, or while jobs are assigned to it or
 * held by it.
 * @returns undefined when it is forgotten, else what is in the way
 */
export async function removeHandlerIfIdle(
  database: Database,
  { serverName, actor }: { readonly serverName: string; readonly actor: string },
): Promise<HandlerRow | undefined> {
  return database.begin(async (sql) => {
    // Nobody can take over its jobs, and it cannot register, before this is decided.
    await sql`select id from handler_incarnation where server_name = ${serverName} order by id for update`;
    const [handler] = await listHandlers(sql, { serverName });
    if (handler !== undefined && (handler.live || handler.jobsInHand + handler.jobsAssigned > 0))
      return handler;
    const starts = await sql`
      delete from handler_incarnation where server_name = ${serverName} and end_time is not null returning id`;
    await sql`delete from handler_drain where server_name = ${serverName}`;
    await recordOperatorAction(sql, {
      actor,
      action: "remove",
      serverName,
      details: { starts: starts.length },
    });
    return undefined;
  });
}
