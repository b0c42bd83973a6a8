import type { Sql } from "../sql.ts";

/**
 * Says that an incarnation is alive.
 * @returns false when the incarnation was ended by somebody else: the caller is fenced and must write nothing more
 */
export async function heartbeatIfLive(sql: Sql, incarnationId: number): Promise<boolean> {
  const rows = await sql`
    update handler_incarnation set heartbeat_time = now() where id = ${incarnationId} and end_time is null returning id`;
  return rows.length === 1;
}
