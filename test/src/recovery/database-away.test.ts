import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { startSystemServer, type TestServer } from "../support/servers.ts";
import { createDatabase, urlOf } from "../support/database.ts";
import { until } from "../support/until.ts";
import { startSilentProxy, type SilentProxy } from "./silent-proxy.ts";
import { makeTracedTool, type TracedTool } from "./traced-tool.ts";

/** A long restart of PostgreSQL, ms: many leases. */
const outage = 30_000;

const submitTo = async (galaxy: Galaxy, inputs: Record<string, unknown>) => {
  const body = { tool_id: "traced", inputs: { code: 0, gated: false, ...inputs } };
  return (await galaxy.api("/api/tools", { body })).jobs[0].id as string;
};

describe("a database that crashes for longer than the lease while jobs run", function () {
  this.timeout(240_000);
  let server: TestServer | undefined;
  let galaxy: Galaxy;
  let tool: TracedTool;

  before(async function () {
    server = await startSystemServer();
    if (server === undefined) {
      console.log("      needs PostgreSQL under /usr/lib/postgresql (package postgresql)");
      this.skip();
    }
    tool = await makeTracedTool();
    const handlers = ["one", "two", "three"];
    galaxy = await startGalaxy({
      which: server,
      handlers,
      tools: tool.tools,
      workers: 2,
      galaxy: { handler_lease: 4 },
    });
  });
  after(async () => {
    await galaxy?.stop();
    await server?.stop();
  });

  it("costs no job and no handler: none is declared dead for what kept all from the database", async () => {
    const jobs = await Promise.all(
      [0, 1, 2, 3, 4, 5].map((number) => submitTo(galaxy, { number, gated: true, code: number })),
    );
    for (const job of jobs) await galaxy.job(job, ["running"], 60_000);
    await server!.crash!();
    const away = sleep(outage);
    // Half of them end while the database is away.
    for (const number of [0, 1, 2]) await tool.open(number);
    for (const handler of galaxy.handlers) await handler.line(/job\.heartbeat_missed.*held=false/, 60_000);
    await away;
    await server!.restart!();
    for (const number of [3, 4, 5]) await tool.open(number);
    for (const [number, job] of jobs.entries()) {
      const found = await until(() => galaxy.job(job, ["ok", "error"], 5_000).catch(() => undefined), {
        what: `job ${job} to end`,
        deadline: 90_000,
      });
      expect(found.exit_code).to.equal(number);
    }
    for (const handler of galaxy.handlers) {
      expect(handler.child.exitCode, handler.lines.join("\n")).to.equal(null);
      expect(handler.lines.filter((line) => /job\.(took_over|fenced)/.test(line))).to.deep.equal([]);
    }
    expect([...(await tool.runs()).values()]).to.deep.equal([1, 1, 1, 1, 1, 1]);
  });

  it("keeps no handler from stopping", async () => {
    const handler = galaxy.handlers[0]!;
    const before = handler.lines.length;
    const since = () => handler.lines.slice(before);
    await server!.crash!();
    await until(() => since().some((line) => /job\.heartbeat_missed.*held=false/.test(line)), {
      what: "the handler to be without its lease",
      deadline: 60_000,
    });
    expect(await handler.stop()).to.equal(0);
    expect(since().filter((line) => /daemon\.forced/.test(line))).to.deep.equal([]);
    await server!.restart!();
  });
});

describe("connections to the database that fall silent (half-open)", function () {
  this.timeout(240_000);
  let proxy: SilentProxy;
  let galaxy: Galaxy;
  let tool: TracedTool;

  before(async () => {
    const probe = await createDatabase();
    await probe.drop();
    proxy = await startSilentProxy(probe.address);
    tool = await makeTracedTool();
    galaxy = await startGalaxy({
      handlers: ["handler0"],
      tools: tool.tools,
      galaxy: { handler_lease: 3, database_statement_timeout: 2 },
      connection: ({ address }) => urlOf({ ...proxy.address, database: address.database }),
    });
  });
  after(async () => {
    await galaxy?.stop();
    await proxy?.stop();
  });

  it("are given up by the handler and its heartbeat, and no job is lost over it", async () => {
    const before = await submitTo(galaxy, { number: 1, gated: true, code: 9 });
    await galaxy.job(before, ["running"], 60_000);
    proxy.silence();
    await tool.open(1);
    await galaxy.handlers[0]!.line(/job\.heartbeat_missed/, 90_000);
    await galaxy.handlers[0]!.line(/did not answer on a connection/, 90_000);
    const sql = galaxy.database.sql;
    await until(
      async () => (await sql`select from job where state = 'error' and exit_code = 9`).length === 1,
      {
        what: "the end of the job to be written",
        deadline: 60_000,
      },
    );
    const after = await until(() => submitTo(galaxy, { number: 2 }).catch(() => undefined), {
      what: "the web tier to have connections again",
      deadline: 60_000,
    });
    expect((await galaxy.job(after, ["ok", "error"], 60_000)).state).to.equal("ok");
    expect(galaxy.handlers[0]!.child.exitCode).to.equal(null);
    expect([...(await tool.runs()).values()]).to.deep.equal([1, 1]);
  });
});
