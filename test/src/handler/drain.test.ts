import { expect } from "chai";
import {
  OperationRefused,
  drain,
  explainJob,
  reassign,
  remainingWork,
  remove,
  resume,
} from "@galaxy-jobs/handler";
import { findJob, listHandlers, listOperatorActions, type JobRow } from "@galaxy-jobs/shared-db";
import { makeSite, type HandlerPlan, type Site, type SitePlan } from "../support/site.ts";
import { until } from "../support/until.ts";

const actor = "admin@example.org";
const tools = [{ id: "plain" }, { id: "gated", gated: true }, { id: "bound" }];

function jobConf(
  assign: string,
  workers = 2,
  handlers: readonly HandlerPlan[] = [],
): Record<string, unknown> {
  const defined = handlers.filter(({ tags }) => tags !== undefined);
  return {
    runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers } },
    handling: {
      assign: [assign],
      ...(defined.length === 0
        ? {}
        : { processes: Object.fromEntries(defined.map(({ name, tags }) => [name, { tags }])) }),
    },
    execution: { default: "local", environments: { local: { runner: "local" } } },
    tools: defined.length === 0 ? [] : [{ id: "bound", handler: defined[0]!.name }],
  };
}

const two: readonly HandlerPlan[] = [
  { name: "handler0", pools: ["job-handlers"] },
  { name: "handler1", pools: ["job-handlers"] },
];

describe("a handler that an administrator looks after", function () {
  this.timeout(60_000);
  let site: Site;
  afterEach(() => site?.stop());

  const begin = async (plan: Partial<SitePlan> & Pick<SitePlan, "handlers" | "jobConf">): Promise<void> => {
    site = await makeSite({ tools, ...plan });
  };
  const job = async (id: number): Promise<JobRow> => (await findJob(site.database.sql, id))!;
  const operate = (serverName: string) => [site.database.sql, site.config, { serverName, actor }] as const;
  const until2 = (what: string, probe: () => Promise<boolean>) => until(probe, { what, deadline: 20_000 });
  const submitMany = async (tool: string, count: number): Promise<number[]> => {
    const ids: number[] = [];
    for (let at = 0; at < count; at += 1) ids.push(await site.submit(tool));
    return ids;
  };
  const states = async (ids: readonly number[]) => {
    const rows = await Promise.all(ids.map(job));
    return rows.map(({ state }) => state);
  };
  const runningOn = async (name: string) => {
    const rows = await site.database.sql<{ id: number }[]>`
      select id from job where state = 'running' and handler = ${name} order by id`;
    return rows.map(({ id }) => id);
  };
  async function refusal(act: Promise<unknown>): Promise<string> {
    try {
      await act;
    } catch (error) {
      expect(error).to.be.instanceOf(OperationRefused);
      return (error as Error).message;
    }
    throw new Error("it was not refused");
  }

  it("takes nothing new while it is drained under load: what runs ends there, what was claimed goes to the others", async () => {
    await begin({ handlers: two, jobConf: jobConf("db-skip-locked", 2) });
    await site.start("handler0");
    const ids = await submitMany("gated", 2);
    await until2("two jobs to run on handler0", async () => (await runningOn("handler0")).length === 2);
    const waiting = await submitMany("gated", 2);
    const drained = await drain(...operate("handler0"));
    expect(drained.changed).to.equal(true);
    const later = await submitMany("gated", 4);
    await site.start("handler1");
    await until2("handler1 to run two", async () => (await runningOn("handler1")).length === 2);
    expect(await runningOn("handler0")).to.deep.equal(ids);
    await site.openGate();
    const ended = await site.ended([...ids, ...waiting, ...later]);
    expect(ended.map(({ handler, state }) => `${handler} ${state}`)).to.deep.equal([
      ...ids.map(() => "handler0 ok"),
      ...[...waiting, ...later].map(() => "handler1 ok"),
    ]);
    // Each ran once.
    expect((await site.runs()).toSorted((a, b) => a - b)).to.deep.equal([...ids, ...waiting, ...later]);
  });

  it("gives back what waits in its hands, and lets go of it without a trace", async () => {
    await begin({
      handlers: two,
      jobConf: {
        ...jobConf("db-skip-locked", 4),
        limits: [{ type: "registered_user_concurrent_jobs", value: 1 }],
      },
    });
    const handler0 = await site.start("handler0");
    const ids = await submitMany("gated", 4);
    await until2("one to run and three to wait in its hands", async () => {
      const rows = await Promise.all(ids.map(job));
      const waiting = rows.filter(({ state, waitReason }) => state === "new" && waitReason !== null);
      return waiting.length === 3 && rows.some(({ state }) => state === "running");
    });
    const before = (await Promise.all(ids.map(job))).filter(({ state }) => state === "new");
    const drained = await drain(...operate("handler0"));
    expect(drained.jobs).to.equal(3);
    for (const { id, fence } of before) {
      const row = await job(id);
      expect(row).to.include({ state: "new", handler: "_default_", incarnationId: null, waitReason: null });
      expect(row.fence).to.equal(fence + 1);
    }
    await resume(...operate("handler0"));
    await until2("it to claim them again", async () => (await job(before[2]!.id)).incarnationId !== null);
    await drain(...operate("handler0"));
    await site.start("handler1");
    await site.openGate();
    const ended = await site.ended(ids);
    expect(ended.map(({ state, handler }) => `${state} ${handler}`).toSorted()).to.deep.equal([
      "ok handler0",
      "ok handler1",
      "ok handler1",
      "ok handler1",
    ]);
    expect(await site.runs()).to.have.length(4);
    // Its pipelines are over: it stops at once, and had no trouble.
    await site.end("handler0", "SIGTERM");
    expect(handler0.lines.filter((line) => line.includes("job.trouble"))).to.deep.equal([]);
  });

  it("stays drained when it is restarted, takes its own runs up again, and takes jobs after it was resumed", async () => {
    await begin({ handlers: two, jobConf: jobConf("db-skip-locked") });
    await site.start("handler0");
    const [running] = await submitMany("gated", 1);
    await until2("the job to run", async () => (await job(running!)).state === "running");
    await drain(...operate("handler0"));
    await site.end("handler0", "SIGKILL");
    const [waiting] = await submitMany("plain", 1);
    await site.start("handler0");
    await site.openGate();
    const [ended] = await site.ended([running!]);
    expect(ended).to.include({ state: "ok", handler: "handler0" });
    expect(await job(waiting!)).to.include({ state: "new", incarnationId: null });
    const { code, reason } = await explainJob(site.database.sql, site.config, await job(waiting!));
    expect(code).to.equal("drained");
    expect(reason).to.match(
      /^all live handlers of pool job-handlers are drained: handler0 since \d{4}-\S+Z by admin@example\.org$/,
    );
    await resume(...operate("handler0"));
    const [after] = await site.ended([waiting!]);
    expect(after).to.include({ state: "ok", handler: "handler0" });
    expect(await refusal(resume(...operate("handler0")))).to.equal("handler handler0 is not drained");
  });

  it("is passed over by preassignment, and its jobs by id say why they wait", async () => {
    const handlers: readonly HandlerPlan[] = [
      { name: "handler0", tags: ["_default_"] },
      { name: "handler1", tags: ["_default_"] },
    ];
    await begin({ handlers, jobConf: jobConf("db-preassign", 2, handlers) });
    await site.start("handler0");
    await site.start("handler1");
    await drain(...operate("handler0"));
    // One that was chosen for it before, and that it has not taken.
    const [chosen] = await submitMany("plain", 1);
    await site.ended([chosen!]);
    await site.database.sql`
      update job set state = 'new', handler = 'handler0', assigned_handler = 'handler0', assigned_tag = '_default_',
        incarnation_id = null, end_time = null where id = ${chosen!}`;
    await drain(...operate("handler0"));
    const plain = [chosen!, ...(await submitMany("plain", 8))];
    const ended = await site.ended(plain);
    expect(new Set(ended.map(({ handler }) => handler))).to.deep.equal(new Set(["handler1"]));
    const [bound] = await submitMany("bound", 1);
    const { code, reason } = await explainJob(site.database.sql, site.config, await job(bound!));
    expect(code).to.equal("drained");
    expect(reason).to.match(
      /^the job is assigned to handler handler0, which is drained since \S+ by admin@example\.org/,
    );
  });

  it("declines messages as a mule, so that another mule has the job", async () => {
    const handlers: readonly HandlerPlan[] = [
      { name: "handler0", pools: ["job-handlers"], farms: ["job-handlers"] },
      { name: "handler1", pools: ["job-handlers"], farms: ["job-handlers"] },
    ];
    await begin({ handlers, jobConf: jobConf("mule-message") });
    await site.start("handler0");
    await site.start("handler1");
    await drain(...operate("handler0"));
    const ended = await site.ended(await submitMany("plain", 8));
    expect(new Set(ended.map(({ handler }) => handler))).to.deep.equal(new Set(["handler1"]));
  });

  it("passes on, as a web process that handles its own jobs, what it creates while it is drained", async () => {
    await begin({ handlers: [two[1]!], jobConf: jobConf("db-self") });
    await drain(...operate("main"));
    const [alone] = await submitMany("plain", 1);
    expect(await job(alone!)).to.include({ state: "new", handler: "main" });
    await site.start("handler1");
    const [passed] = await site.ended(await submitMany("plain", 1));
    expect(passed).to.include({ state: "ok", handler: "handler1" });
    expect(await states([alone!])).to.deep.equal(["new"]);
    await resume(...operate("main"));
    const [own] = await site.ended([alone!]);
    expect(own).to.include({ state: "ok", handler: "main" });
  });

  describe("and whose jobs are given to others", () => {
    const handlers: readonly HandlerPlan[] = [{ name: "handler9", tags: ["nodefault"] }, ...two];

    it("loses what was assigned to its id, dead as it is, to a pool or to a handler", async () => {
      await begin({ handlers, jobConf: jobConf("db-skip-locked", 2, handlers) });
      const ids = await submitMany("bound", 2);
      const { sql } = site.database;
      // One is not ready yet.
      await sql`update job set state = 'paused' where id = ${ids[1]!}`;
      const to = (target: { pool: string } | { handler: string }) =>
        reassign(sql, site.config, { serverName: "handler9", actor, to: target, started: false });
      expect(await refusal(to({ pool: "job-handlers" }))).to.contain(
        "has no live handler: the jobs would wait",
      );
      expect(await refusal(to({ handler: "handler0" }))).to.contain("there is no handler handler0");
      await site.start("handler0");
      expect(await refusal(to({ handler: "handler9" }))).to.contain("are handler9's already");
      expect(await refusal(to({ handler: "handlre0" }))).to.contain("did you mean handler0?");
      expect(await refusal(to({ pool: "job-handler" }))).to.contain("did you mean job-handlers?");
      const moved = await to({ pool: "job-handlers" });
      expect(moved).to.include({ moved: 2, offered: 0, to: "pool job-handlers" });
      const [first] = await site.ended([ids[0]!]);
      expect(first).to.include({ state: "ok", handler: "handler0" });
      expect(await job(ids[1]!)).to.include({ assignedHandler: "_default_", state: "paused" });
      const later = await submitMany("bound", 1);
      expect(await to({ handler: "handler0" })).to.include({ moved: 1, to: "handler0" });
      const [second] = await site.ended(later);
      expect(second).to.include({ state: "ok", handler: "handler0" });
    });

    it("hands over what runs: the other one ends it, and its processes never notice", async () => {
      await begin({ handlers: two, jobConf: jobConf("db-skip-locked") });
      await site.start("handler0");
      const ids = await submitMany("gated", 2);
      await until2("both jobs to run", async () => (await runningOn("handler0")).length === 2);
      const before = await Promise.all(ids.map(job));
      await drain(...operate("handler0"));
      await site.start("handler1");
      const result = await reassign(site.database.sql, site.config, {
        serverName: "handler0",
        actor,
        to: { handler: "handler1" },
        started: true,
      });
      expect(result).to.include({ moved: 0, offered: 2 });
      await until2("handler1 to have them", async () => (await runningOn("handler1")).length === 2);
      const after = await Promise.all(ids.map(job));
      for (const [at, row] of after.entries()) {
        expect(row).to.include({ runFence: before[at]!.runFence, handedTo: null });
        expect(row.fence).to.equal(before[at]!.fence + 1);
      }
      await site.openGate();
      const ended = await site.ended(ids);
      expect(ended.map(({ state, handler, exitCode }) => `${state} ${handler} ${exitCode}`)).to.deep.equal([
        "ok handler1 0",
        "ok handler1 0",
      ]);
      expect(await site.runs()).to.have.length(2);
    });

    it("keeps what runs until somebody takes it, and has it back when it is resumed", async () => {
      await begin({ handlers: two, jobConf: jobConf("db-skip-locked") });
      await site.start("handler0");
      await site.start("handler1");
      await drain(...operate("handler1"));
      const ids = await submitMany("gated", 1);
      await until2("the job to run", async () => (await runningOn("handler0")).length === 1);
      const { sql } = site.database;
      // A taker on another machine cannot see its processes.
      await sql`update handler_incarnation set hostname = 'elsewhere', boot_id = 'another' where server_name = 'handler0'`;
      await resume(...operate("handler1"));
      const result = await reassign(sql, site.config, {
        serverName: "handler0",
        actor,
        to: { handler: "handler1" },
        started: true,
      });
      expect(result.offered).to.equal(1);
      expect(result.notes.join()).to.match(/processes on elsewhere are watched by handler0 to their end/);
      const { jobs } = await remainingWork(sql, "handler0");
      expect(jobs.map(({ handedTo }) => handedTo)).to.deep.equal(["handler1"]);
      await drain(...operate("handler0"));
      await resume(...operate("handler0"));
      expect(await job(ids[0]!)).to.include({ handedTo: null, handler: "handler0" });
      await site.openGate();
      expect((await site.ended(ids))[0]).to.include({ state: "ok", handler: "handler0" });
    });
  });

  it("is removed when it has ended and its jobs are done, and not before", async () => {
    const handlers: readonly HandlerPlan[] = [{ name: "handler9", tags: ["nodefault"] }];
    await begin({ handlers, jobConf: jobConf("db-skip-locked", 2, handlers) });
    await site.start("handler9");
    const ids = await submitMany("bound", 1);
    await site.ended(ids);
    await drain(...operate("handler9"));
    const [late] = await submitMany("bound", 1);
    expect(await refusal(remove(...operate("handler9")))).to.match(
      /^handler handler9 cannot be removed: it is live \(process \d+ on \S+\), 1 jobs are assigned to it\. First: galaxyctl handlers reassign handler9 --to-pool job-handlers; then stop its process$/,
    );
    await site.end("handler9", "SIGTERM");
    expect(await refusal(remove(...operate("handler9")))).to.contain("1 jobs are assigned to it");
    await site.database.sql`update job set state = 'deleted', end_time = now() where id = ${late!}`;
    const notes = await remove(...operate("handler9"));
    expect(notes.join()).to.contain("job_conf still defines handler9");
    const known = await listHandlers(site.database.sql, { all: true });
    expect(known).to.deep.equal([]);
    expect(
      await refusal(
        drain(
          site.database.sql,
          { ...site.config, jobs: { ...site.config.jobs, handlers: [] } },
          { serverName: "handler9", actor },
        ),
      ),
    ).to.equal("there is no handler handler9");
    const log = await listOperatorActions(site.database.sql, { serverName: "handler9", limit: 10 });
    expect(log.map(({ action, actor: who }) => `${action} ${who}`)).to.deep.equal([
      `remove ${actor}`,
      `drain ${actor}`,
    ]);
  });

  it("is expected to be empty when its jobs have run for as long as they usually do", async () => {
    await begin({ handlers: two, jobConf: jobConf("db-skip-locked") });
    await site.start("handler0");
    const { sql } = site.database;
    const [known] = await submitMany("gated", 1);
    await until2("the job to run", async () => (await job(known!)).state === "running");
    expect(await remainingWork(sql, "handler0")).to.include({ emptyIn: null, unknown: 1 });
    // Recent jobs tell, as long as the hourly statistics do not.
    await sql`
      insert into job (tool_id, tool_version, galaxy_version, state, start_time, end_time, handler)
      select 'gated', '1.0', 'test', 'ok', now() - interval '1 hour', now() - interval '1 hour' + seconds * interval '1 second', 'x'
      from unnest(array[1000, 2000]) as seconds`;
    const byJobs = await remainingWork(sql, "handler0");
    expect(byJobs.unknown).to.equal(0);
    expect(byJobs.emptyIn).to.be.within(1300, 1500);
    await sql`
      insert into job_statistics_hour (hour, tool_id, destination_id, state, jobs, wait_seconds, run_seconds, longest_run_seconds)
      values (date_trunc('hour', now()), 'gated', 'local', 'ok', 4, 0, 400, 100)`;
    expect((await remainingWork(sql, "handler0")).emptyIn).to.be.within(30, 100);
    await sql`update job set start_time = now() - interval '1 day' where id = ${known!}`;
    expect(await remainingWork(sql, "handler0")).to.include({ emptyIn: null, unknown: 1, stuck: 0 });
  });
});
