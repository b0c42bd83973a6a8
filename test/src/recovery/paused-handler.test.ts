import { readFile } from "node:fs/promises";
import { expect } from "chai";
import type { FaultPoint } from "@galaxy-jobs/handler";
import { startGalaxy, type Daemon, type Galaxy } from "../support/galaxy.ts";
import { until } from "../support/until.ts";
import { makeTracedTool, type TracedTool } from "./traced-tool.ts";

/** Where a pause is most dangerous: the handler has decided to do what comes next, and does it when it wakes up. */
const points: readonly FaultPoint[] = [
  "claim:after",
  "queue:before",
  "queue:after",
  "prepare.directory:before",
  "prepare.directory:after",
  "prepare.job-script:after",
  "start:before",
  "start:after",
  "mark-running:before",
  "collect.output:before",
  "finish:before",
];

describe("a handler that is stopped (SIGSTOP) past its lease and goes on", function () {
  this.timeout(240_000);
  let galaxy: Galaxy;
  let tool: TracedTool;

  before(async () => {
    tool = await makeTracedTool();
    galaxy = await startGalaxy({ handlers: [], tools: tool.tools, galaxy: { handler_lease: 1.5 } });
  });
  after(() => galaxy?.stop());
  // Whoever is left of a test that failed would take the jobs of the next.
  afterEach(() => Promise.all(galaxy.handlers.map((handler) => handler.stop())));

  const submit = async (inputs: Record<string, unknown>) => {
    const body = { tool_id: "traced", inputs: { code: 0, gated: false, ...inputs } };
    return (await galaxy.api("/api/tools", { body })).jobs[0].id as string;
  };
  const paused = (handler: Daemon) =>
    until(async () => (await processState(handler.child.pid!)) === "T", {
      what: `${handler.name} to stand still`,
      deadline: 90_000,
    });
  /** All that the database knows of jobs. */
  const written = async () => {
    const jobs = await galaxy.database.sql`select * from job order by id`;
    const history = await galaxy.database.sql`select * from job_state_history order by id`;
    return JSON.stringify([jobs, history]);
  };
  const wake = async (handler: Daemon) => {
    handler.child.kill("SIGCONT");
    await handler.line(/job\.fenced/, 90_000);
    return handler.stop("SIGCONT");
  };

  it("finds itself fenced: it writes nothing, leaves the adopted job running, and ends with exit code 1", async () => {
    const victim = await galaxy.startHandler("sleeper");
    const short = await submit({ number: 1000, gated: true, code: 3 });
    const long = await submit({ number: 1001, gated: true });
    await galaxy.job(short, ["running"], 90_000);
    await galaxy.job(long, ["running"], 90_000);
    victim.child.kill("SIGSTOP");
    const heir = await galaxy.startHandler("heir");
    await heir.line(/job\.took_over.*handler=sleeper/, 90_000);
    await until(() => heir.lines.filter((line) => /job\.adopted.*found=running/.test(line)).length === 2, {
      what: "both jobs to be adopted",
      deadline: 60_000,
    });
    await tool.open(1000);
    expect(await galaxy.job(short, ["ok", "error"], 90_000)).to.include({ state: "error", exit_code: 3 });
    const before = await written();
    expect(await wake(victim)).to.equal(1);
    expect(await written()).to.equal(before);
    await tool.open(1001);
    expect(await galaxy.job(long, ["ok", "error"], 90_000)).to.include({ state: "ok", exit_code: 0 });
    expect(await tool.runs()).to.deep.equal(
      new Map([
        [1000, 1],
        [1001, 1],
      ]),
    );
    await heir.stop();
  });

  it("goes on where nobody has taken over", async () => {
    const alone = await galaxy.startHandler("alone");
    const job = await submit({ number: 2000, gated: true });
    await galaxy.job(job, ["running"], 90_000);
    alone.child.kill("SIGSTOP");
    await until(
      async () => {
        const [row] = await galaxy.database.sql<{ over: boolean }[]>`
          select heartbeat_time < now() - make_interval(secs => lease_seconds) as over
          from handler_incarnation where server_name = 'alone' and end_time is null`;
        return row!.over;
      },
      { what: "the lease to be over", deadline: 60_000 },
    );
    alone.child.kill("SIGCONT");
    await tool.open(2000);
    expect(await galaxy.job(job, ["ok", "error"], 90_000)).to.include({ state: "ok", exit_code: 0 });
    expect(await alone.stop()).to.equal(0);
  });

  for (const [number, point] of points.entries()) {
    it(`does not run a job a second time when it was stopped at ${point}`, async () => {
      const victim = galaxy.spawnHandler(`victim${number}`, ["job-handlers"], {
        GALAXY_FAULT_POINT: point,
        GALAXY_FAULT_ACTION: "stop",
      });
      const job = await submit({ number });
      await paused(victim);
      const heir = await galaxy.startHandler(`heir${number}`);
      const ended = await galaxy.job(job, ["ok", "error"], 60_000);
      expect(ended).to.include({ state: "ok", exit_code: 0 });
      const before = await written();
      expect(await wake(victim)).to.equal(1);
      expect(await written()).to.equal(before);
      expect((await tool.runs()).get(number)).to.equal(1);
      expect(await heir.stop()).to.equal(0);
    });
  }
});

async function processState(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2)[0];
}
