import type { MetricsFromChild, MetricsReport, MetricsToChild } from "./metrics-messages.ts";

/** A process that reports metrics, as the master sees it. */
export interface MetricsChild {
  send(message: MetricsToChild): void;
}

/** One child's wish, and what has come for it. */
interface Gathering {
  readonly missing: Set<MetricsChild>;
  readonly reports: MetricsReport[];
  readonly done: () => void;
}

/** How long a wish waits for children that do not answer, ms. */
const patience = 3_000;

/** The master's side of the exchange that metrics-exchange.ts describes: it passes reports on and knows nothing of metrics. */
export class MetricsGatherer {
  readonly #children: () => Iterable<MetricsChild>;
  readonly #own: (() => MetricsReport) | undefined;
  readonly #patience: number;
  readonly #gatherings = new Map<number, Gathering>();
  #last = 0;

  /**
   * @param options.children all that report metrics, and live
   * @param options.own what the master has to report
   */
  constructor(
    options: {
      readonly children: () => Iterable<MetricsChild>;
      readonly own?: () => MetricsReport;
    },
    patienceMs = patience,
  ) {
    this.#children = options.children;
    this.#own = options.own;
    this.#patience = patienceMs;
  }

  /** A message of a child. */
  receive(from: MetricsChild, message: MetricsFromChild): void {
    if (message.type === "metrics-wanted") this.#gather(from, message.id);
    if (message.type !== "metrics-report") return;
    const gathering = this.#gatherings.get(message.id);
    if (gathering?.missing.delete(from) !== true) return;
    gathering.reports.push(message.metrics);
    if (gathering.missing.size === 0) gathering.done();
  }

  /** A child that ended is not waited for. */
  gone(child: MetricsChild): void {
    for (const gathering of this.#gatherings.values())
      if (gathering.missing.delete(child) && gathering.missing.size === 0) gathering.done();
  }

  #gather(asker: MetricsChild, wish: number): void {
    const id = (this.#last += 1);
    const missing = new Set(this.#children());
    missing.delete(asker);
    const reports: MetricsReport[] = this.#own === undefined ? [] : [this.#own()];
    const done = () => {
      clearTimeout(timer);
      this.#gatherings.delete(id);
      asker.send({ type: "metrics-gathered", id: wish, reports });
    };
    const timer = setTimeout(done, this.#patience);
    this.#gatherings.set(id, { missing, reports, done });
    if (missing.size === 0) done();
    for (const child of missing) child.send({ type: "metrics-request", id });
  }
}
