import autocannon from "autocannon";
import { againstThisRelease } from "../against.ts";
import type { Bench, Measures, Subject } from "../bench.ts";
import { startInstance, type Strategy } from "../instance.ts";
import { jobsEnded, noop, submit } from "../noop-jobs.ts";

/** Requests a second; each POST is a job, so that handlers are busy all the time. */
const getRate = 50;
const postRate = 20;
/** Jobs that wait when the measurement begins. */
const backlog = 200;

const strategies: readonly Strategy[] = [
  { name: "webless", web: {}, handling: { assign: ["db-skip-locked"] }, handlers: ["handler0"] },
  { name: "all-in-one", web: {}, handling: {}, handlers: [] },
  {
    name: "mules",
    web: { master: true, processes: 1, mule: ["galaxy-handler"], farm: ["job-handlers:1"] },
    handling: {},
    handlers: [],
    handlersStarted: /job\.registered.*main\.job-handlers\.1/,
  },
];

/** The strategies for handling jobs, by what a user of the API notices of them. */
export const webBench: Bench = {
  name: "web",
  what: `API requests while handlers run jobs: ${getRate} GET /api/jobs and ${postRate} POST /api/tools a second, ${backlog} jobs waiting`,
  units: { "get-p99": "ms", "get-rate": "/s", "post-p99": "ms", "post-rate": "/s", jobs: "jobs/s" },
  reference: "webless",
  subjects: strategies.map((strategy): Subject => ({
    name: strategy.name,
    round: (seconds) => round(strategy, seconds),
  })),
  against: () => `${againstThisRelease()}, one web worker, one handler, 2 jobs at once`,
};

async function round(strategy: Strategy, seconds: number): Promise<Measures> {
  const instance = await startInstance(strategy);
  try {
    for (let submitted = 0; submitted < backlog; submitted += 10)
      await Promise.all(Array.from({ length: 10 }, () => submit(instance)));
    const before = await jobsEnded(instance);
    const began = performance.now();
    const [gets, posts] = await Promise.all([
      load(`${instance.address}/api/jobs?limit=20`, getRate, seconds),
      load(`${instance.address}/api/tools`, postRate, seconds, noop),
    ]);
    const ended = (await jobsEnded(instance)) - before;
    const took = (performance.now() - began) / 1000;
    return {
      "get-p99": gets.latency.p99,
      "get-rate": gets.requests.average,
      "post-p99": posts.latency.p99,
      "post-rate": posts.requests.average,
      jobs: ended / took,
    };
  } finally {
    await instance.stop();
  }
}

/** @throws Error if a request failed: the figures would be those of errors */
async function load(url: string, rate: number, seconds: number, body?: string): Promise<autocannon.Result> {
  const result = await autocannon({
    url,
    overallRate: rate,
    connections: 10,
    duration: seconds,
    timeout: 60,
    ...(body === undefined ? {} : { method: "POST", body, headers: { "content-type": "application/json" } }),
  });
  if (result.errors > 0 || result.non2xx > 0)
    throw new Error(`${url}: ${result.errors} errors, ${result.non2xx} answers that are not 2xx`);
  return result;
}
