import { MetricsGatherer, ProcessMetrics, type MetricsChild, type MetricsToChild } from "@galaxy-jobs/web";
import { expect } from "chai";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Processes with a registry each, and a master between them; messages go through JSON, as over IPC. */
function tree(size: number, patience = 5_000) {
  const children: (MetricsChild & { metrics: ProcessMetrics; mute: boolean })[] = [];
  const gatherer = new MetricsGatherer({ children: () => children }, patience);
  for (let number = 1; number <= size; number += 1) {
    const registry = new Registry();
    new Counter({ name: "requests_total", help: "r", labelNames: ["code"], registers: [registry] }).inc(
      { code: 200 },
      number,
    );
    new Gauge({ name: "jobs", help: "j", registers: [registry], aggregator: "first" }).set(7);
    new Histogram({ name: "seconds", help: "s", buckets: [1, 10], registers: [registry] }).observe(number);
    const child: (typeof children)[number] = {
      mute: false,
      send: (message: MetricsToChild) => {
        if (!child.mute) queueMicrotask(() => void child.metrics.receive(copy(message)));
      },
      metrics: new ProcessMetrics(
        registry,
        (message) => gatherer.receive(child, copy(message)),
        patience * 2,
      ),
    };
    children.push(child);
  }
  return { children, gatherer };
}
const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe("the metrics of a tree", () => {
  it("are summed up by whichever worker is asked, and a metric of the database counts once", async () => {
    const { children } = tree(3);
    for (const child of children) {
      const text = await child.metrics.text();
      expect(text).to.contain('requests_total{code="200"} 6');
      expect(text).to.match(/^jobs 7$/m);
      expect(text).to.contain('seconds_bucket{le="1"} 1');
      expect(text).to.contain("seconds_count 3");
    }
  });

  it("are those of the process itself where it is alone", async () => {
    expect(await tree(1).children[0]!.metrics.text()).to.contain('requests_total{code="200"} 1');
  });

  it("do not wait for a process that ends, and not for ever for one that hangs", async () => {
    const { children, gatherer } = tree(3);
    children[2]!.mute = true;
    const scrape = children[0]!.metrics.text();
    await new Promise((resolve) => setImmediate(resolve));
    gatherer.gone(children[2]!);
    expect(await scrape).to.contain('requests_total{code="200"} 3');
    const impatient = tree(3, 50);
    impatient.children[1]!.mute = true;
    expect(await impatient.children[0]!.metrics.text()).to.contain('requests_total{code="200"} 4');
    impatient.children[0]!.mute = true;
    expect(await impatient.children[0]!.metrics.text()).to.contain('requests_total{code="200"} 1');
  });

  it("are asked for many times at once", async () => {
    const { children } = tree(4);
    const texts = await Promise.all(
      Array.from({ length: 40 }, (_, index) => children[index % 4]!.metrics.text()),
    );
    for (const text of texts) expect(text).to.contain('requests_total{code="200"} 10');
  });
});
