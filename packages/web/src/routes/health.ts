import { z } from "zod";
import { poolReadiness } from "@galaxy-jobs/handler";
import { isConnectionError, migrationStatus } from "@galaxy-jobs/shared-db";
import type { ApiRoutes } from "../api-routes.ts";
import type { WebContext } from "../web-context.ts";

const readiness = z
  .strictObject({
    status: z.enum(["ready", "not ready"]),
    missing: z.array(z.string()).meta({ description: "What has to come first, in words; empty when ready." }),
    migration: z.int().nullable().meta({ description: "Of the database; null when it does not answer." }),
    pools: z.array(
      z.strictObject({
        name: z.string(),
        tools: z.int().meta({ description: "How many tools are mapped there." }),
        ready: z.boolean(),
      }),
    ),
  })
  .meta({ id: "Readiness" });

/** Whether this process lives, and whether work sent to it would be done. */
export function healthRoutes(api: ApiRoutes, context: WebContext): void {
  api.get(
    "/health/live",
    {
      tag: "service",
      summary: "Whether this process answers",
      access: "anybody",
      answer: z.strictObject({ status: z.literal("live") }),
    },
    () => ({ status: "live" as const }),
  );

  api.get(
    "/health/ready",
    {
      tag: "service",
      summary: "Whether jobs sent here would run",
      description:
        "The database answers, its migrations are ones that this release can work with, and each pool that tools are mapped to has a live handler.",
      access: "anybody",
      answer: readiness,
      statuses: { 503: "Not ready" },
    },
    async ({ response }) => {
      const found = await examine(context);
      response.status(found.status === "ready" ? 200 : 503).set("cache-control", "no-store");
      return found;
    },
  );
}

async function examine(context: WebContext): Promise<z.infer<typeof readiness>> {
  try {
    const { current, latest, usable } = await migrationStatus(context.database);
    if (!usable) {
      const remedy = current < latest ? "run galaxyctl db migrate" : "start the release that migrated it";
      const missing = [`the database is at migration ${current}, this release needs ${latest}: ${remedy}`];
      return { status: "not ready", missing, migration: current, pools: [] };
    }
    const pools = await poolReadiness(
      context.database,
      context.config,
      context.assigner,
      context.toolBox().list(),
    );
    const missing = pools.map(({ reason }) => reason).filter((reason) => reason !== undefined);
    return {
      status: missing.length === 0 ? "ready" : "not ready",
      missing,
      migration: current,
      pools: pools.map(({ name, tools, ready }) => ({ name, tools, ready })),
    };
  } catch (error) {
    if (!isConnectionError(error)) throw error;
    return { status: "not ready", missing: ["the database does not answer"], migration: null, pools: [] };
  }
}
