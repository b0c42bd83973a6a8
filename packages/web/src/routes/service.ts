import { z } from "zod";
import type { ApiRoutes } from "../api-routes.ts";
import type { WebContext } from "../web-context.ts";

/** The release of Galaxy whose API this speaks. */
const galaxyMajor = "25.0";

/** Prometheus' text format. */
const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/** What monitoring and clients ask: versions, configuration and metrics. */
export function serviceRoutes(api: ApiRoutes, context: WebContext): void {
  api.get(
    "/api/version",
    {
      tag: "service",
      summary: "The release of Galaxy whose API this is, and this server's own",
      access: "anybody",
      answer: z.strictObject({
        version_major: z.string(),
        version_minor: z.string(),
        extra: z.strictObject({
          server: z.string(),
          release: z.string(),
          protocol: z.int().meta({
            description:
              "The newest migration that this release knows: docs/upgrade.md says who works with whom.",
          }),
        }),
      }),
    },
    () => ({
      version_major: galaxyMajor,
      version_minor: "0",
      extra: { server: "galaxy-jobs", release: context.release, protocol: context.protocol },
    }),
  );

  api.get(
    "/api/configuration",
    {
      tag: "service",
      summary: "What clients should know of the configuration",
      access: "anybody",
      answer: z.strictObject({
        brand: z.string(),
        version_major: z.string(),
        allow_user_creation: z.boolean(),
        single_user: z.boolean(),
      }),
    },
    () => ({
      brand: "galaxy-jobs",
      version_major: galaxyMajor,
      allow_user_creation: false,
      single_user: context.config.singleUser !== undefined,
    }),
  );

  api.get(
    "/metrics",
    {
      tag: "service",
      summary: "Metrics for Prometheus",
      access: "anybody",
      answer: { contentType: "text/plain", description: "Prometheus' text format." },
    },
    async ({ response }) => {
      const text = await context.metrics();
      response.type(metricsContentType).send(text);
    },
  );
}
