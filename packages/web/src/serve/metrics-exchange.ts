import {
  AggregatorRegistry,
  type MetricObjectWithValues,
  type MetricValue,
  type Registry,
} from "prom-client";

/**
 * How a scrape of one web worker gets the metrics of all processes. The worker that was asked wants them of the master; the master
 * asks the other children, each reports its registry as JSON, and the master hands the reports back; the worker adds its own and
 * sums up. So the master only passes messages on, and any worker can be asked.
 *
 *     worker  → master   metrics-wanted    {id}
 *     master  → children metrics-request   {id}          the master's own number
 *     child   → master   metrics-report    {id, metrics}
 *     master  → worker   metrics-gathered  {id, reports}
 */
export type MetricsMessage =
  | { readonly type: "metrics-wanted"; readonly id: number }
  | { readonly type: "metrics-request"; readonly id: number }
  | { readonly type: "metrics-report"; readonly id: number; readonly metrics: MetricsReport }
  | { readonly type: "metrics-gathered"; readonly id: number; readonly reports: readonly MetricsReport[] };

/** A registry as JSON. */
export type MetricsReport = readonly MetricObjectWithValues<MetricValue<string>>[];

const types: ReadonlySet<unknown> = new Set([
  "metrics-wanted",
  "metrics-request",
  "metrics-report",
  "metrics-gathered",
]);

export function isMetricsMessage(message: unknown): message is MetricsMessage {
  return typeof message === "object" && message !== null && types.has((message as { type?: unknown }).type);
}

/** How long a scrape waits for processes that do not answer, ms; less than the 10 s after which Prometheus gives up. */
const patience = 3_000;

/** A child's side: reports its registry, and gets those of the others. */
export class ProcessMetrics {
  readonly #registry: Registry;
  readonly #send: (message: MetricsMessage) => void;
  readonly #patience: number;
  readonly #waiting = new Map<number, (reports: readonly MetricsReport[]) => void>();
  #last = 0;

  /** @param send to the master */
  constructor(registry: Registry, send: (message: MetricsMessage) => void, patienceMs = patience + 500) {
    this.#registry = registry;
    this.#send = send;
    this.#patience = patienceMs;
  }

  /** A message of the master. */
  async receive(message: MetricsMessage): Promise<void> {
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
