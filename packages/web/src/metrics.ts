import { Gauge, Registry, collectDefaultMetrics } from "prom-client";
import { countJobs, isConnectionError, type Database } from "@galaxy-jobs/shared-db";

/** What a web process tells of itself, and of the jobs; a scrape of a tree of processes sums it up (serve/metrics-exchange.ts). */
export function makeMetrics(database: Database): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const jobs = new Gauge({
    name: "galaxy_jobs",
    help: "Jobs by state",
    labelNames: ["state"],
    registers: [registry],
    // Every process counts the same jobs.
    aggregator: "first",
    async collect() {
      jobs.reset();
      try {
        for (const { state, count } of await countJobs(database)) jobs.set({ state }, count);
      } catch (error) {
        // What is known of the process is worth most while the database is away.
        if (!isConnectionError(error)) throw error;
      }
    },
  });
  return registry;
}
