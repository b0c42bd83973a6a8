import { openDatabase, type DatabaseAddress } from "@galaxy-jobs/shared-db";
import { mustEnd } from "../clean-up.ts";

/**
 * Another session's REPEATABLE READ transaction, as a long report or a dump has: what is deleted from now on cannot be cleaned
 * away while it is open. @returns ends it
 */
export async function holdSnapshot(address: DatabaseAddress): Promise<() => Promise<void>> {
  const sql = openDatabase(address, { applicationName: "bench-report", maxConnections: 1 });
  await sql`set idle_in_transaction_session_timeout = 0`;
  await sql`begin isolation level repeatable read`;
  await sql`select count(*) from pg_class`;
  return mustEnd(async () => {
    await sql`rollback`.catch(() => undefined);
    await sql.end({ timeout: 1 });
  });
}
