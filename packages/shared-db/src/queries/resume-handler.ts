import type { Database } from "../sql.ts";
import { recordOperatorAction } from "./operator-actions.ts";

/**
 * A drained server name takes jobs again, and keeps what it was to hand over and nobody has taken yet.
 * @returns false when it was not drained
 */
export async function resumeHandler(
  database: Database,
  { serverName, actor }: { readonly serverName: string; readonly actor: string },
): Promise<boolean> {
  return database.begin(async (sql) => {
    const rows = await sql`delete from handler_drain where server_name = ${serverName} returning server_name`;
    const kept = await sql`
      update job set handed_to = null
      where handed_to is not null and state in ('queued', 'running')
        and incarnation_id in (select id from handler_incarnation where server_name = ${serverName})
      returning id`;
    if (rows.length > 0)
      await recordOperatorAction(sql, {
        actor,
        action: "resume",
        serverName,
        details: kept.length > 0 ? { kept: kept.length } : {},
      });
    return rows.length > 0;
  });
}
