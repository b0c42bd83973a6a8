import { expect } from "chai";
import { channels, notify, writeJobLock, type JobRow } from "@galaxy-jobs/shared-db";
import { makeSite, type Site, type SitePlan, type Span } from "../support/site.ts";
import { until } from "../support/until.ts";

const handlers = ["handler0", "handler1", "handler2"].map((name) => ({ name, pools: ["job-handlers"] }));
const environments = {
  local: { runner: "local" },
  one: { runner: "local", tags: ["group"], env: [{ name: "WHERE", value: "one" }] },
  two: { runner: "local", tags: ["group"], env: [{ name: "WHERE", value: "two" }] },
};
const tools = ["plain", "one", "two"].map((id) => ({ id, gated: true }));

/** A site of three handlers that race for the slots of some limits. */
function limitedSite(
  limits: readonly Record<string, unknown>[],
  more: Partial<SitePlan> & { readonly handling?: Record<string, unknown>; readonly workers?: number } = {},
): Promise<Site> {
  const { handling = {}, workers = 4, ...plan } = more;
  return makeSite({
    handlers,
    tools,
    jobConf: {
      runners: { local: { load: "local", workers } },
      handling: { assign: ["db-skip-locked"], ...handling },
      execution: { default: "local", environments },
      tools: [
        { id: "one", environment: "one" },
        { id: "two", environment: "two" },
      ],
      limits,
    },
    ...plan,
  });
}

/** The most jobs of a kind that ran at once. */
function mostAtOnce(spans: readonly Span[], counts: (job: number) => boolean): number {
  const running = new Set<number>();
  let most = 0;
  for (const { what, job } of spans.filter((span) => counts(span.job))) {
    if (what === "start") running.add(job);
    else running.delete(job);
    most = Math.max(most, running.size);
  }
  return most;
}

interface Group {
  readonly name: string;
  readonly most: number;
  readonly holds: (job: JobRow) => boolean;
}

interface Case {
  readonly what: string;
  readonly limits: readonly Record<string, unknown>[];
  /** Submitted in turn. */
  readonly jobs: readonly { readonly tool: string; readonly user: string }[];
  /** What of them runs at once: no more, and no less when all could. */
  readonly groups: readonly Group[];
  /** Of all at once, where the groups overlap. */
  readonly atOnce: number;
}

const ann = "ann@example.org";
const bob = "bob@example.org";
const four = (tool: string, user: string) => Array.from({ length: 4 }, () => ({ tool, user }));
const ofTool =
  (...ids: string[]) =>
  ({ toolId }: JobRow) =>
    ids.includes(toolId);

const cases: readonly Case[] = [
  {
    what: "registered_user_concurrent_jobs",
    limits: [{ type: "registered_user_concurrent_jobs", value: 2 }],
    jobs: [...four("plain", ann), ...four("one", ann), ...four("two", bob)],
    groups: [
      { name: "ann's", most: 2, holds: ofTool("plain", "one") },
      { name: "bob's", most: 2, holds: ofTool("two") },
    ],
    atOnce: 4,
  },
  {
    what: "destination_total_concurrent_jobs of an environment",
    limits: [{ type: "environment_total_concurrent_jobs", id: "one", value: 3 }],
    jobs: [...four("one", ann), ...four("one", bob), ...four("plain", bob)],
    groups: [
      { name: "those of one", most: 3, holds: ofTool("one") },
      { name: "the others", most: 4, holds: ofTool("plain") },
    ],
    atOnce: 7,
  },
  {
    what: "destination_total_concurrent_jobs of a tag, with the environments' own",
    limits: [
      { type: "destination_total_concurrent_jobs", tag: "group", value: 3 },
      { type: "destination_total_concurrent_jobs", id: "two", value: 1 },
    ],
    jobs: [...four("two", ann), ...four("one", bob), ...four("one", ann)],
    groups: [
      { name: "the tag's", most: 3, holds: ofTool("one", "two") },
      { name: "those of two", most: 1, holds: ofTool("two") },
    ],
    atOnce: 3,
  },
  {
    what: "destination_user_concurrent_jobs of an environment and of a tag",
    limits: [
      { type: "destination_user_concurrent_jobs", id: "one", value: 1 },
      { type: "destination_user_concurrent_jobs", tag: "group", value: 2 },
    ],
    jobs: [...four("one", ann), ...four("two", ann), ...four("one", bob)],
    groups: [
      { name: "bob's on one", most: 1, holds: (job) => ofTool("one")(job) && job.userId === 2 },
      { name: "ann's on one", most: 1, holds: (job) => ofTool("one")(job) && job.userId === 1 },
      { name: "ann's on the tag", most: 2, holds: ({ userId }) => userId === 1 },
    ],
    atOnce: 3,
  },
];

describe("limits of three handlers that race", function () {
  this.timeout(60_000);
  let site: Site | undefined;
  afterEach(async () => {
    await site?.stop();
    site = undefined;
  });

  const startAll = () => Promise.all(handlers.map(({ name }) => site!.start(name)));
  const jobsNow = () => site!.database.sql<JobRow[]>`select * from job order by id`;
  const started = async (count: number) =>
    until(async () => (await site!.spans()).length >= count, {
      what: `${count} jobs to start`,
      deadline: 30_000,
    });
  /** Every job that does not run says why: all handlers have looked at all they have in hand. */
  const othersWait = (count: number) =>
    until(
      async () => {
        const others = (await jobsNow()).filter(({ state }) => state === "new");
        return others.length === count && others.every(({ waitReason }) => waitReason !== null);
      },
      { what: `${count} jobs to say why they wait`, deadline: 30_000 },
    );

  for (const { what, limits, jobs, groups, atOnce } of cases) {
    it(`${what}: reached and never exceeded`, async () => {
      site = await limitedSite(limits);
      const ids: number[] = [];
      for (const { tool, user } of jobs) ids.push(await site.submit(tool, { user }));
      await startAll();
      await started(atOnce);
      await othersWait(ids.length - atOnce);
      await site.openGate();
      const rows = await site.ended(ids);
      expect(rows.map(({ state, info }) => info ?? state)).to.deep.equal(ids.map(() => "ok"));
      const spans = await site.spans();
      for (const { name, most, holds } of groups) {
        const members = new Set(rows.filter(holds).map(({ id }) => id));
        expect(
          mostAtOnce(spans, (id) => members.has(id)),
          name,
        ).to.equal(most);
      }
      expect((await site.runs()).toSorted((a, b) => a - b)).to.deep.equal(ids);
    });
  }

  it("gives a freed slot to a job that waits at another handler without waiting for its next look", async () => {
    site = await limitedSite([{ type: "destination_total_concurrent_jobs", id: "local", value: 1 }], {
      galaxy: { job_handler_monitor_sleep: 600 },
      handling: { max_grab: 2 },
    });
    await startAll();
    const ids: number[] = [];
    for (let index = 0; index < 6; index += 1) {
      ids.push(await site.submit("plain"));
      await notify(site.database.sql, channels.newJobs, "_default_");
    }
    await started(1);
    await othersWait(5);
    await site.openGate();
    // The next look would be in ten minutes.
    const rows = await site.ended(ids);
    expect(rows.every(({ state }) => state === "ok")).to.equal(true);
    expect(mostAtOnce(await site.spans(), () => true)).to.equal(1);
  });

  it("keeps the slot of a job whose handler was killed, until the job ends at its next start", async () => {
    site = await limitedSite([{ type: "destination_total_concurrent_jobs", id: "local", value: 1 }]);
    const ids = [await site.submit("plain"), await site.submit("plain"), await site.submit("plain")];
    await startAll();
    await started(1);
    const holder = (await jobsNow()).find(({ state }) => state === "running" || state === "queued")!;
    await site.end(holder.handler!, "SIGKILL");
    await site.start(holder.handler!);
    await othersWait(2);
    expect(await site.spans()).to.deep.equal([{ what: "start", job: holder.id }]);
    await site.openGate();
    expect((await site.ended(ids)).every(({ state }) => state === "ok")).to.equal(true);
    expect(mostAtOnce(await site.spans(), () => true)).to.equal(1);
    expect((await site.runs()).toSorted((a, b) => a - b)).to.deep.equal(ids);
  });

  it("takes 0 as none for an environment, and as no limit for a user", async () => {
    site = await limitedSite([
      { type: "destination_total_concurrent_jobs", id: "one", value: 0 },
      { type: "registered_user_concurrent_jobs", value: 0 },
      { type: "destination_user_concurrent_jobs", id: "two", value: 0 },
    ]);
    const blocked = await site.submit("one");
    const free = [await site.submit("two"), await site.submit("two"), await site.submit("two")];
    await startAll();
    await started(3);
    await othersWait(1);
    await site.openGate();
    expect((await site.ended(free)).every(({ state }) => state === "ok")).to.equal(true);
    const job = (await jobsNow()).find(({ id }) => id === blocked)!;
    expect([job.state, job.waitReason]).to.deep.equal([
      "new",
      "destination one takes no jobs (destination_total_concurrent_jobs is 0)",
    ]);
  });

  it("pauses jobs of a user whose jobs ran as long as total_walltime allows, and of no other", async () => {
    site = await limitedSite([{ type: "total_walltime", value: "01:00:00", window: 7 }]);
    await site.openGate();
    await startAll();
    const [first] = await site.ended([await site.submit("plain", { user: ann })]);
    expect(first!.state).to.equal("ok");
    const { sql } = site.database;
    // An hour, eight days ago: out of the window.
    await sql`update job set start_time = now() - interval '8 days 1 hour', end_time = now() - interval '8 days'`;
    const [second] = await site.ended([await site.submit("plain", { user: ann })]);
    expect(second!.state).to.equal("ok");
    await sql`update job set start_time = now() - interval '6 days 1 hour', end_time = now() - interval '6 days' where id = ${second!.id}`;
    const [third, other] = await site.ended([
      await site.submit("plain", { user: ann }),
      await site.submit("plain", { user: bob }),
    ]);
    expect(third!.state).to.equal("paused");
    expect(third!.info).to.match(/01:00:00 of 01:00:00 allowed \(total_walltime\)/);
    expect(other!.state).to.equal("ok");
  });

  it("starts nothing while the job lock is on, and goes on after it", async () => {
    site = await limitedSite([]);
    await startAll();
    const early = await site.submit("plain");
    await started(1);
    await writeJobLock(site.database.sql, true);
    const ids = [await site.submit("plain"), await site.submit("plain")];
    await site.openGate();
    // Running jobs end as ever; the others have not been touched by then.
    expect((await site.ended([early]))[0]!.state).to.equal("ok");
    const waiting = (await jobsNow()).filter(({ id }) => ids.includes(id));
    expect(waiting.map(({ state }) => state)).to.deep.equal(["new", "new"]);
    expect(await site.runs()).to.deep.equal([early]);
    await writeJobLock(site.database.sql, false);
    expect((await site.ended(ids)).map(({ state }) => state)).to.deep.equal(["ok", "ok"]);
  });

  it("takes no more of a user than the ready window, so that others come through", async () => {
    site = await limitedSite([{ type: "registered_user_concurrent_jobs", value: 1 }], {
      handlers: handlers.slice(0, 1),
      handling: { ready_window_size: 2 },
    });
    const many: number[] = [];
    for (let index = 0; index < 9; index += 1) many.push(await site.submit("plain", { user: ann }));
    const other = await site.submit("plain", { user: bob });
    await site.start("handler0");
    await started(2);
    expect((await site.spans()).map(({ job }) => job)).to.include.members([many[0]!, other]);
    const claimed = (await jobsNow()).filter(
      ({ id, incarnationId }) => many.includes(id) && incarnationId !== null,
    );
    // One runs, a window of two waits at the handler; the claim that filled the window may have brought one more.
    expect(claimed.length).to.be.within(1, 4);
    await site.openGate();
    expect((await site.ended([...many, other])).every(({ state }) => state === "ok")).to.equal(true);
  });

  it("takes at most max_grab jobs at once", async () => {
    site = await limitedSite([], { handlers: handlers.slice(0, 1), handling: { max_grab: 2 }, workers: 8 });
    const ids: number[] = [];
    for (let index = 0; index < 7; index += 1) ids.push(await site.submit("plain"));
    await site.openGate();
    await site.start("handler0");
    await site.ended(ids);
    // The jobs of one claim have one time of change: that of its transaction.
    const claims = await site.database.sql<{ count: number }[]>`
      select count(*)::int as count from job_state_history where state = 'queued' group by create_time`;
    expect(Math.max(...claims.map(({ count }) => count))).to.be.at.most(2);
  });
});
