import { expect } from "chai";
import { openDatabase } from "@galaxy-jobs/shared-db";
import { makeSite, type HandlerPlan, type Site } from "../support/site.ts";
import { until } from "../support/until.ts";

const pool = (count: number): HandlerPlan[] =>
  Array.from({ length: count }, (_, one) => ({ name: `handler${one}`, pools: ["job-handlers"] }));

const jobConf = (workers: number, more: Record<string, unknown> = {}) => ({
  runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers } },
  handling: { assign: ["db-skip-locked"] },
  execution: { default: "local", environments: { local: { runner: "local" } } },
  ...more,
});

describe("handlers of one pool", function () {
  this.timeout(180_000);
  let site: Site;
  afterEach(() => site?.stop());

  const submitMany = async (tool: string, count: number, user?: string): Promise<number[]> => {
    const ids: number[] = [];
    for (let at = 0; at < count; at += 1)
      ids.push(await site.submit(tool, user === undefined ? {} : { user }));
    return ids;
  };

  it("run the one job of a user soon, though another has many, and those of a tool with priority sooner", async () => {
    const tools = [{ id: "usual" }, { id: "urgent" }];
    site = await makeSite({
      handlers: pool(1),
      tools,
      jobConf: jobConf(1, { tools: [{ id: "urgent", priority: 50 }] }),
    });
    const many = await submitMany("usual", 12, "many@example.org");
    const [one] = await submitMany("usual", 1, "one@example.org");
    const urgent = await submitMany("urgent", 3, "urgent@example.org");
    await site.start("handler0");
    await site.ended([...many, one!, ...urgent], 120_000);
    const order = await site.runs();
    expect(order.indexOf(one!), `the one in ${order.join()}`).to.be.at.most(4);
    expect(order.slice(0, 3), "priority 50 is five steps to one").to.have.members(urgent);
    expect(order.filter((id) => many.includes(id))).to.deep.equal(many);
  });

  it("share its jobs, each what it can start", async () => {
    site = await makeSite({ handlers: pool(4), tools: [{ id: "short", seconds: 0.2 }], jobConf: jobConf(2) });
    for (const { name } of pool(4)) await site.start(name);
    const rows = await site.ended(await submitMany("short", 120), 150_000);
    const shares = pool(4).map(({ name }) => rows.filter(({ handler }) => handler === name).length);
    // Each would have 30; how even it is on an idle machine is in docs/performance.md.
    for (const share of shares) expect(share, shares.join()).to.be.within(15, 45);
  });

  it("ask little while there is nothing to do", async () => {
    site = await makeSite({
      handlers: pool(1),
      tools: [{ id: "usual" }],
      jobConf: jobConf(2),
      // As it is by default; other tests want it quicker.
      galaxy: { job_handler_monitor_sleep: 1 },
    });
    await site.start("handler0");
    // From another database, so that the question does not count.
    const { database } = site.database.address;
    const outside = openDatabase(
      { ...site.database.address, database: "postgres" },
      { applicationName: "outside", maxConnections: 1 },
    );
    const statements = async () => {
      const [row] = await outside<{ count: number }[]>`
        select xact_commit + xact_rollback as count from pg_stat_database where datname = ${database}`;
      return row!.count;
    };
    try {
      // What it did at its start has been counted when the count grows slowly.
      let before = await statements();
      let began = performance.now();
      await until(
        async () => {
          const now = await statements();
          const seconds = (performance.now() - began) / 1000;
          if (seconds < 10) return false;
          const rate = (now - before) / seconds;
          before = now;
          began = performance.now();
          return rate <= 2;
        },
        { what: "ten seconds with at most two statements each", deadline: 90_000, every: 500 },
      );
    } finally {
      await outside.end();
    }
  });
});
