import { writeJobLock } from "@galaxy-jobs/shared-db";
import { expect } from "chai";
import { startGalaxy, type Daemon, type Galaxy } from "../support/galaxy.ts";
import { makeSite, type Site } from "../support/site.ts";
import { until } from "../support/until.ts";
import { makeTracedTool, type TracedTool } from "./traced-tool.ts";

const pool = ["job-handlers"];

describe("the jobs of a handler that died", function () {
  this.timeout(240_000);
  let galaxy: Galaxy;
  let tool: TracedTool;

  before(async () => {
    tool = await makeTracedTool();
    galaxy = await startGalaxy({
      handlers: [],
      workers: 3,
      tools: tool.tools,
      galaxy: { handler_lease: 2, monitor_thread_join_timeout: 20 },
    });
  });
  after(() => galaxy?.stop());
  afterEach(() => Promise.all(galaxy.handlers.map((handler) => handler.stop())));

  const submit = async (inputs: Record<string, unknown>, toolId = "traced") => {
    const body = { tool_id: toolId, inputs: { code: 0, gated: false, ...inputs } };
    return (await galaxy.api("/api/tools", { body })).jobs[0].id as string;
  };
  const running = (job: string) => galaxy.job(job, ["running"], 90_000);
  const ended = (job: string) => galaxy.job(job, ["ok", "error", "deleted"], 60_000);

  it("are brought to their end by a neighbour: started ones with their exit codes, the others from the start", async () => {
    const victim = await galaxy.startHandler("victim");
    const codes = [0, 7, 42];
    const started = await Promise.all(
      codes.map((code, index) => submit({ number: 10 + index, code, gated: true })),
    );
    for (const job of started) await running(job);
    const waiting = await Promise.all([20, 21, 22, 23].map((number) => submit({ number })));
    await victim.stop("SIGKILL");
    const heir = await galaxy.startHandler("heir");
    for (const [index] of codes.entries()) await tool.open(10 + index);
    for (const [index, job] of started.entries()) expect((await ended(job)).exit_code).to.equal(codes[index]);
    for (const job of waiting) expect((await ended(job)).state).to.equal("ok");
    expect([...(await tool.runs()).values()].every((count) => count === 1)).to.equal(true);
    const [row] = await galaxy.database.sql<{ endReason: string; settled: boolean; late: number }[]>`
      select end_reason, settled_time is not null as settled, extract(epoch from end_time - heartbeat_time)::float8 as late
      from handler_incarnation where server_name = 'victim'`;
    expect(row).to.include({ endReason: "lost", settled: true });
    expect(row!.late).to.be.at.least(2);
    await heir.line(/job\.took_over.*handler=victim/);
  });

  it("are said to wait for a handler of that machine where no other can see them", async () => {
    const victim = await galaxy.startHandler("elsewhere");
    const job = await submit({ number: 30, gated: true });
    await running(job);
    await galaxy.database
      .sql`update handler_incarnation set hostname = 'another', boot_id = 'another' where server_name = 'elsewhere'`;
    await victim.stop("SIGKILL");
    const heir = await galaxy.startHandler("heir2");
    await heir.line(/job\.took_over.*handler=elsewhere/, 90_000);
    const why = await galaxy.api(`/api/jobs/${job}/why`);
    expect(why.code).to.equal("handler-lost");
    expect(why.reason).to.contain("a live handler on another with the runner local");
    // The machine is there again.
    await galaxy.database.sql`
      update handler_incarnation set hostname = (select hostname from handler_incarnation where server_name = 'heir2')
      where server_name = 'elsewhere'`;
    await tool.open(30);
    expect((await ended(job)).exit_code).to.equal(0);
  });

  it("are deleted by a neighbour when that was asked for", async () => {
    const victim = await galaxy.startHandler("victim3");
    const job = await submit({ number: 40, gated: true });
    await running(job);
    await victim.stop("SIGKILL");
    await galaxy.api(`/api/jobs/${job}`, { method: "DELETE" });
    await galaxy.startHandler("heir3");
    expect((await ended(job)).state).to.equal("deleted");
  });

  it("begin at once when it starts again under its name, and a second process with the name of a live one is refused", async () => {
    const victim = await galaxy.startHandler("twin");
    const job = await submit({ number: 50, gated: true });
    await running(job);
    const second = galaxy.spawnHandler("twin", pool);
    expect(await second.stop("SIGCONT")).to.equal(1);
    expect(second.lines.join("\n")).to.contain("the server name twin is in use");
    await victim.stop("SIGKILL");
    const again = await galaxy.startHandler("twin");
    await again.line(/job\.adopted.*found=running/);
    await tool.open(50);
    expect((await ended(job)).state).to.equal("ok");
  });

  it("are given up, one by one, where they are what kills handlers; the others run", async () => {
    const bad = await submit({ number: 60 }, "poisonous");
    const good = await Promise.all([61, 62, 63, 64, 65].map((number) => submit({ number })));
    const killers: Daemon[] = [];
    for (let round = 0; round < 6; round += 1) {
      const env = { GALAXY_FAULT_POINT: "prepare.tool-script:before@poisonous" };
      const handler = galaxy.spawnHandler("fragile", pool, env);
      const over = new Promise<"died">((resolve) => handler.child.once("exit", () => resolve("died")));
      if ((await Promise.race([over, ended(bad)])) !== "died") break;
      killers.push(handler);
    }
    expect(killers.length, "handlers that it killed").to.equal(3);
    const job = await ended(bad);
    expect(job.state).to.equal("error");
    expect(job.info ?? job.job_messages ?? JSON.stringify(job)).to.be.a("string");
    const [row] = await galaxy.database.sql<{ info: string; deaths: number }[]>`
      select info, handler_deaths as deaths from job where tool_id = 'poisonous'`;
    expect(row!.deaths).to.equal(3);
    expect(row!.info).to.contain("3 times its handler died while it prepared the job");
    for (const one of good) expect((await ended(one)).state).to.equal("ok");
    const runs = await tool.runs();
    for (const number of [61, 62, 63, 64, 65]) expect(runs.get(number)).to.equal(1);
    expect(runs.has(60)).to.equal(false);
  });

  it("go back at once when it is stopped, and those that run are adopted without waiting for the lease", async () => {
    const leaving = await galaxy.startHandler("leaving");
    const jobs = await Promise.all([70, 71, 72].map((number) => submit({ number, gated: true })));
    for (const job of jobs) await running(job);
    const next = await submit({ number: 73 });
    const staying = await galaxy.startHandler("staying");
    expect((await ended(next)).state).to.equal("ok");
    expect(await leaving.stop("SIGTERM")).to.equal(0);
    await until(() => staying.lines.filter((line) => /job\.adopted.*found=running/.test(line)).length === 3, {
      what: "three jobs to be adopted",
      deadline: 60_000,
    });
    for (const number of [70, 71, 72]) await tool.open(number);
    for (const job of jobs) expect((await ended(job)).state).to.equal("ok");
  });
});

describe("a handler that waits for its jobs when it is stopped (handler_stop: wait)", function () {
  this.timeout(240_000);
  it("ends when they have ended, and has reported them itself", async () => {
    const tool = await makeTracedTool();
    const galaxy = await startGalaxy({
      handlers: ["patient"],
      tools: tool.tools,
      galaxy: { handler_stop: "wait" },
    });
    try {
      const body = { tool_id: "traced", inputs: { number: 1, code: 5, gated: true } };
      const job = (await galaxy.api("/api/tools", { body })).jobs[0].id as string;
      await galaxy.job(job, ["running"], 90_000);
      const [handler] = galaxy.handlers;
      handler!.child.kill("SIGTERM");
      await handler!.line(/daemon\.stopping/);
      await tool.open(1);
      expect(await handler!.stop("SIGCONT")).to.equal(0);
      expect(await galaxy.job(job, ["error"])).to.include({ exit_code: 5 });
    } finally {
      await galaxy.stop();
    }
  });
});

describe("jobs that wait for a dead handler by its name", function () {
  this.timeout(240_000);
  const jobConf = {
    runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 2 } },
    handling: {
      assign: ["db-preassign"],
      processes: { first: {}, second: {}, single: { tags: ["special"] } },
    },
    execution: { default: "local", environments: { local: { runner: "local" } } },
    tools: [{ id: "by_id", handler: "single" }],
  };
  const site = (failover: "pool" | "wait") =>
    makeSite({
      handlers: [{ name: "first" }, { name: "second" }, { name: "single" }],
      jobConf,
      tools: [{ id: "by_tag" }, { id: "by_id" }],
      galaxy: { handler_lease: 5, handler_failover: failover },
    });
  let current: Site | undefined;
  afterEach(async () => {
    await current?.stop();
    current = undefined;
  });
  const handlerOf = async (id: number) => {
    const [row] = await current!.database.sql<{ handler: string; state: string }[]>`
      select handler, state from job where id = ${id}`;
    return row!;
  };

  it("go to a live handler of the tag that it was chosen from, and wait where the tool names the handler", async () => {
    current = await site("pool");
    await current.start("first");
    const moved = await current.submit("by_tag");
    const named = await current.submit("by_id");
    await current.ended([moved]);
    // Only `first` is live, so it is chosen; it dies before it has seen the job.
    await current.end("first", "SIGKILL");
    const late = await current.submit("by_tag");
    await current.start("second");
    await current.ended([late]);
    expect((await handlerOf(late)).handler).to.equal("second");
    expect(await handlerOf(named)).to.include({ handler: "single", state: "new" });
  });

  it("wait for it where the administrator wants that (handler_failover: wait)", async () => {
    current = await site("wait");
    await current.start("first");
    await current.end("first", "SIGKILL");
    const waits = await current.submit("by_tag");
    expect(await handlerOf(waits)).to.include({ handler: "first" });
    const second = await current.start("second");
    await second.line(/job\.took_over.*handler=first/, 60_000);
    await current.submit("by_tag").then((id) => current!.ended([id]));
    expect(await handlerOf(waits)).to.include({ handler: "first", state: "new" });
    await current.start("first");
    await current.ended([waits]);
    expect((await handlerOf(waits)).handler).to.equal("first");
  });

  it("are taken by another process of the same base name where it kept them for itself (db-self)", async () => {
    current = await makeSite({
      handlers: [],
      jobConf: { ...jobConf, handling: { assign: ["db-self"] }, tools: [] },
      tools: [{ id: "by_tag" }],
      galaxy: { handler_lease: 5 },
    });
    const id = await current.submit("by_tag", { committed: false });
    await current.ended([id]);
    await writeJobLock(current.database.sql, true);
    const lost = await current.submit("by_tag", { committed: false });
    const changed = await current.database.sql`
      update job set handler = 'main.2', assigned_handler = 'main.2' where id = ${lost} and incarnation_id is null returning id`;
    expect(changed).to.have.length(1);
    await writeJobLock(current.database.sql, false);
    await current.ended([lost]);
    expect((await handlerOf(lost)).handler).to.equal("main");
  });
});
