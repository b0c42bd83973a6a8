import type { Json, Sql } from "../sql.ts";

export interface OperatorAction {
  readonly id: number;
  readonly createTime: Date;
  /** The e-mail address of the administrator, or the account and host of a command line. */
  readonly actor: string;
  readonly action: "drain" | "resume" | "reassign" | "remove" | "cancel" | "lock" | "unlock";
  readonly serverName: string | null;
  readonly jobId: number | null;
  /** What came of it, by name. */
  readonly details: Readonly<Record<string, Json>>;
}

/** Leaves the trail of an administrator's act; in the transaction of the act where it has one. */
export async function recordOperatorAction(
  sql: Sql,
  action: Pick<OperatorAction, "actor" | "action"> &
    Partial<Pick<OperatorAction, "serverName" | "jobId" | "details">>,
): Promise<void> {
  await sql`
    insert into operator_action (actor, action, server_name, job_id, details)
    values (${action.actor}, ${action.action}, ${action.serverName ?? null}, ${action.jobId ?? null},
      ${sql.json({ ...action.details })})`;
}

/** The newest acts, newest first. */
export async function listOperatorActions(
  sql: Sql,
  filter: { readonly serverName?: string; readonly limit: number },
): Promise<OperatorAction[]> {
  return sql<OperatorAction[]>`
    select id, create_time, actor, action, server_name, job_id, details from operator_action
    where ${filter.serverName === undefined ? sql`true` : sql`server_name = ${filter.serverName}`}
    order by id desc limit ${filter.limit}`;
}
