import { expect } from "chai";
import { openWhenReady } from "@galaxy-jobs/shared-db";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { startSystemServer, type TestServer } from "../support/servers.ts";
import { until } from "../support/until.ts";

describe("a database that goes away", function () {
  this.timeout(120_000);
  let server: TestServer | undefined;
  let galaxy: Galaxy;

  before(async function () {
    server = await startSystemServer();
    if (server === undefined) {
      console.log("      needs PostgreSQL under /usr/lib/postgresql (package postgresql)");
      this.skip();
    }
    galaxy = await startGalaxy({ which: server });
  });
  after(async () => {
    await galaxy?.stop();
    await server?.stop();
  });

  it("loses no job when it crashes and comes back, and the processes recover by themselves", async () => {
    const submit = async () =>
      (await galaxy.api("/api/tools", { body: { tool_id: "sleep", inputs: { seconds: 1 } } })).jobs[0]
        .id as string;
    const jobs = [await submit(), await submit(), await submit()];
    await galaxy.job(jobs[0]!, ["running"]);
    await server!.crash!();
    const response = await fetch(`${galaxy.address}/api/jobs`);
    expect(response.status).to.equal(503);
    expect(await response.json()).to.have.property("err_code", 503001);
    await server!.restart!();
    await until(
      async () =>
        (await fetch(`${galaxy.address}/api/version`)).ok && (await fetch(`${galaxy.address}/api/jobs`)).ok,
      { what: "the API to answer again", deadline: 20_000 },
    );
    jobs.push(await submit());
    for (const job of jobs) expect((await galaxy.job(job, ["ok", "error"], 40_000)).state).to.equal("ok");
    expect(galaxy.web.child.exitCode).to.equal(null);
    expect(galaxy.handlers[0]!.child.exitCode).to.equal(null);
  });
});

describe("a database that is not there", () => {
  it("is waited for, then named in one clear error", async () => {
    const waits: string[] = [];
    const address = { host: "/nonexistent-folder", port: 5432, database: "galaxy", user: "galaxy" };
    const options = {
      applicationName: "test",
      deadline: 700,
      onWait: (reason: string) => waits.push(reason),
    };
    const error = await openWhenReady(address, options).then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(waits).to.not.deep.equal([]);
    expect(error?.message).to.contain("/nonexistent-folder").and.to.contain("database_connection");
  });
});
