import { AggregatorRegistry, type Registry } from "prom-client";
import type { MetricsFromChild, MetricsReport, MetricsToChild } from "../master/metrics-messages.ts";

/** How long a scrape waits for processes that do not answer, ms; less than the 10 s after which Prometheus gives up. */
const patience = 3_000;

/** A child's side: reports its registry, and gets those of the others. */
export class ProcessMetrics {
  readonly #registry: Registry;
  readonly #send: (message: MetricsFromChild) => void;
  readonly #patience: number;
  readonly #waiting = new Map<number, (reports: readonly MetricsReport[]) => void>();
  #last = 0;

  /** @param send to the master */
  constructor(registry: Registry, send: (message: MetricsFromChild) => void, patienceMs = patience + 500) {
    this.#registry = registry;
    this.#send = send;
    this.#patience = patienceMs;
  }

  /** A message of the master. */
  async receive(message: MetricsToChild): Promise<void> {
    if (message.type === "metrics-gathered") this.#waiting.get(message.id)?.(message.reports);
    if (message.type !== "metrics-request") return;
    const metrics = await this.#registry.getMetricsAsJSON();
    this.#send({ type: "metrics-report", id: message.id, metrics });
  }

  /**
   * The metrics of all processes in Prometheus' text form: summed up, unless a metric names another `aggregator`. If the master
   * does not answer, those of this process.
   */
  async text(): Promise<string> {
    const gathering = this.#gather();
    const own = await this.#registry.getMetricsAsJSON();
    const reports = await gathering;
    // prom-client takes its own lists only, though it changes nothing in them.
    const all = [own, ...reports] as unknown as Parameters<typeof AggregatorRegistry.aggregate>[0];
    return AggregatorRegistry.aggregate(all).metrics();
  }

  #gather(): Promise<readonly MetricsReport[]> {
    const id = (this.#last += 1);
    return new Promise((resolve) => {
      const settle = (reports: readonly MetricsReport[]) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(reports);
      };
      const timer = setTimeout(() => settle([]), this.#patience);
      this.#waiting.set(id, settle);
      this.#send({ type: "metrics-wanted", id });
    });
  }
}
