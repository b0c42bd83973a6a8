import { openDatabase, type ClaimRequest, type Database, type DatabaseAddress } from "@galaxy-jobs/shared-db";
import { answer, onAsk } from "../script.ts";
import { claimAs } from "../waiting-jobs.ts";

/** Several handlers in one process, each with a connection of its own, that claim until nothing is left. */
export type ClaimWorkerAsk =
  | {
      readonly kind: "connect";
      readonly address: DatabaseAddress;
      readonly handlers: readonly ClaimRequest[];
    }
  /** @param longest s */
  | { readonly kind: "claim"; readonly longest: number };

export type ClaimWorkerAnswer =
  | { readonly kind: "connected" }
  | {
      readonly kind: "claimed";
      readonly claims: number;
      readonly ids: readonly number[];
      /** ns of the machine's monotonic clock */
      readonly began: bigint;
      readonly ended: bigint;
    };

let handlers: { readonly sql: Database; readonly request: ClaimRequest }[] = [];

onAsk<ClaimWorkerAsk>(async (ask) => {
  if (ask.kind === "connect") {
    handlers = ask.handlers.map((request) => ({
      request,
      sql: openDatabase(ask.address, { applicationName: request.serverName, maxConnections: 1 }),
    }));
    for (const { sql } of handlers) await sql`select 1`;
    return answer({ kind: "connected" } satisfies ClaimWorkerAnswer);
  }
  const began = process.hrtime.bigint();
  const until = performance.now() + ask.longest * 1000;
  const ids: number[] = [];
  let claims = 0;
  await Promise.all(
    handlers.map(async ({ sql, request }) => {
      while (performance.now() < until) {
        const jobs = await claimAs(sql, request);
        claims += 1;
        if (jobs.length === 0) return;
        for (const { id } of jobs) ids.push(id);
      }
    }),
  );
  const ended = process.hrtime.bigint();
  answer({ kind: "claimed", claims, ids, began, ended } satisfies ClaimWorkerAnswer);
  await Promise.all(handlers.map(({ sql }) => sql.end({ timeout: 1 })));
});
