import type { Destination, JobConfig } from "@galaxy-jobs/runtime";
import type { ExpressRoute, Json } from "@galaxy-jobs/shared-db";
import type { Tool } from "@galaxy-jobs/tools";
import { hasConcurrencyLimits } from "./limits/limit-book.ts";

/** A job of another tool is remembered for so long, ms. */
const memory = 60_000;
/** Tools at most that are known to need no decision; each claim names them. */
const mostTools = 100;

/**
 * The tools whose jobs need nothing decided between their claim and their queue: one destination by its id, no rule, no limits.
 * A claim queues their jobs at once, if their inputs are there, which saves a change of each row. Learned from the jobs that came the long way.
 */
export class ExpressRoutes {
  readonly #open: boolean;
  readonly #routes = new Map<string, ExpressRoute>();
  #metOther = Number.NEGATIVE_INFINITY;

  constructor(config: JobConfig) {
    this.#open = !hasConcurrencyLimits(config) && config.limits.totalWalltime === undefined;
  }

  /** A job of the tool was sent to a destination, and every other one would be too. */
  learn({ id, version }: Tool, { id: destinationId, runner, params }: Destination): void {
    if (!this.#open || this.#routes.has(id)) return;
    if (this.#routes.size >= mostTools) this.#routes.delete(this.#routes.keys().next().value!);
    this.#routes.set(id, {
      toolId: id,
      toolVersion: version,
      runnerName: runner,
      destinationId,
      destinationParams: params as Record<string, Json>,
    });
  }

  /** A job came for which more has to be decided. @param now by `performance.now()` */
  meetOther(now: number): void {
    this.#metOther = now;
  }

  /** Whether the jobs that come of late are of such tools. @param now by `performance.now()` */
  coverAll(now: number): boolean {
    return this.#routes.size > 0 && now - this.#metOther > memory;
  }

  /**
   * The routes that are open: their runner can take a whole claim.
   * @param room jobs that each runner can take
   */
  routes(room: ReadonlyMap<string, number>, claim: number): ExpressRoute[] {
    return [...this.#routes.values()].filter(({ runnerName }) => (room.get(runnerName) ?? 0) >= claim);
  }
}
