import { expect } from "chai";
import { makeTracedTool, type TracedTool } from "../recovery/traced-tool.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { until } from "../support/until.ts";

async function submitTo(galaxy: Galaxy, number: number, gated = false): Promise<string> {
  const body = { tool_id: "traced", inputs: { number, gated } };
  return (await galaxy.api("/api/tools", { body })).jobs[0].id as string;
}

/** One after the other, numbered from `first` on. */
async function submitManyTo(galaxy: Galaxy, first: number, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let number = first; number < first + count; number += 1) ids.push(await submitTo(galaxy, number));
  return ids;
}

describe("a handler that queues short jobs ahead of its only worker", function () {
  this.timeout(240_000);
  let galaxy: Galaxy;
  let tool: TracedTool;

  before(async () => {
    tool = await makeTracedTool();
    galaxy = await startGalaxy({ tools: tool.tools, workers: 1 });
  });
  after(() => galaxy?.stop());

  const submit = (number: number, gated = false) => submitTo(galaxy, number, gated);
  const submitMany = (first: number, count: number) => submitManyTo(galaxy, first, count);
  const allEnded = (ids: readonly string[]) =>
    Promise.all(ids.map((id) => galaxy.job(id, ["ok", "error"], 90_000)));
  /** That each ran once, well. */
  const expectRuns = async (first: number, ids: readonly string[]) => {
    for (const { state } of await allEnded(ids)) expect(state).to.equal("ok");
    const runs = await tool.runs();
    for (let number = first; number < first + ids.length; number += 1) expect(runs.get(number)).to.equal(1);
  };

  it("runs each once", async () => {
    await expectRuns(100, await submitMany(100, 40));
  });

  it("lets a neighbour have them when what runs turns out long, and forgets those that are deleted", async () => {
    const long = await submit(1, true);
    await galaxy.job(long, ["running"]);
    const short = await submitMany(200, 10);
    const deleted = short.pop()!;
    await galaxy.api(`/api/jobs/${deleted}`, { method: "DELETE" });
    await galaxy.job(deleted, ["deleted"], 90_000);
    const neighbour = await galaxy.startHandler("neighbour");
    await expectRuns(200, short);
    expect((await galaxy.job(long, ["running", "ok", "error"])).state).to.equal("running");
    expect((await tool.runs()).get(209)).to.equal(undefined);
    await tool.open(1);
    expect((await galaxy.job(long, ["ok", "error"])).state).to.equal("ok");
    expect(await neighbour.stop()).to.equal(0);
  });

  it("gives them back when it stops", async () => {
    await expectRuns(300, await submitMany(300, 10));
    const gated = await submit(2, true);
    await galaxy.job(gated, ["running"]);
    const short = await submitMany(400, 10);
    expect(await galaxy.handlers[0]!.stop()).to.equal(0);
    await galaxy.startHandler("heir");
    await tool.open(2);
    await expectRuns(400, short);
    expect((await galaxy.job(gated, ["ok", "error"])).state).to.equal("ok");
  });
});

describe("a handler that dies with short jobs queued ahead", function () {
  this.timeout(240_000);
  let galaxy: Galaxy;
  let tool: TracedTool;

  before(async () => {
    tool = await makeTracedTool();
    galaxy = await startGalaxy({
      handlers: [],
      tools: tool.tools,
      workers: 1,
      galaxy: { handler_lease: 5 },
    });
  });
  after(() => galaxy?.stop());

  it("makes none of those suspect that only waited", async () => {
    const ids = await submitManyTo(galaxy, 0, 60);
    const victim = galaxy.spawnHandler("victim", ["job-handlers"], { GALAXY_FAULT_POINT: "start:before#30" });
    await until(() => victim.child.signalCode !== null, { what: "it to die", deadline: 90_000 });
    await galaxy.startHandler("heir");
    for (const id of ids) expect((await galaxy.job(id, ["ok", "error"], 90_000)).state).to.equal("ok");
    const [row] = await galaxy.database.sql<{ suspects: number }[]>`
      select count(*)::int as suspects from job where handler_deaths > 0`;
    // As many as it prepares at a time.
    expect(row!.suspects).to.be.at.most(4);
    for (const [number, runs] of await tool.runs()) expect(runs, `runs of ${number}`).to.equal(1);
  });
});
