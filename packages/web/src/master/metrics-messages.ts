import type { MetricObjectWithValues, MetricValue } from "prom-client";

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
export type MetricsFromChild =
  | { readonly type: "metrics-wanted"; readonly id: number }
  | { readonly type: "metrics-report"; readonly id: number; readonly metrics: MetricsReport };
export type MetricsToChild =
  | { readonly type: "metrics-request"; readonly id: number }
  | { readonly type: "metrics-gathered"; readonly id: number; readonly reports: readonly MetricsReport[] };

/** A registry as JSON. */
export type MetricsReport = readonly MetricObjectWithValues<MetricValue<string>>[];
