import { expect } from "chai";
import { startGalaxy } from "../support/galaxy.ts";
import { makeTracedTool } from "./traced-tool.ts";

describe("a handler whose main loop is busy", function () {
  this.timeout(240_000);
  const start = async (stuckAfter: number, milliseconds: number) => {
    const tool = await makeTracedTool();
    const galaxy = await startGalaxy({
      handlers: [],
      tools: tool.tools,
      galaxy: { handler_lease: 2, handler_stuck_after: stuckAfter },
    });
    const busy = await galaxy.startHandler("busy", ["job-handlers"], {
      GALAXY_FAULT_POINT: "mark-running:before",
      GALAXY_FAULT_ACTION: `block=${milliseconds}`,
    });
    const body = { tool_id: "traced", inputs: { number: 1, code: 4 } };
    const job = (await galaxy.api("/api/tools", { body })).jobs[0].id as string;
    await galaxy.job(job, ["queued"], 90_000);
    const other = await galaxy.startHandler("other");
    return { tool, galaxy, busy, other, job };
  };

  it("stays alive for the others, though it is busy for longer than its lease", async () => {
    const { galaxy, busy, other, job } = await start(60, 6_000);
    try {
      expect(await galaxy.job(job, ["ok", "error"], 60_000)).to.include({ exit_code: 4 });
      expect(
        (await galaxy.database.sql<{ handler: string }[]>`select handler from job`)[0]!.handler,
      ).to.equal("busy");
      expect(other.lines.filter((line) => line.includes("took_over"))).to.deep.equal([]);
      expect(busy.child.exitCode).to.equal(null);
    } finally {
      await galaxy.stop();
    }
  });

  it("gives no more signs of life when it is stuck, says so, and finds itself fenced when it moves again", async () => {
    const { tool, galaxy, busy, other, job } = await start(1, 12_000);
    try {
      await busy.line(/handler\.stuck.*others will take over/, 90_000);
      await other.line(/job\.took_over.*handler=busy/, 90_000);
      expect(await galaxy.job(job, ["ok", "error"], 60_000)).to.include({ exit_code: 4 });
      await busy.line(/job\.fenced/, 90_000);
      expect(await busy.stop("SIGCONT")).to.equal(1);
      expect((await tool.runs()).get(1)).to.equal(1);
    } finally {
      await galaxy.stop();
    }
  });
});
