import { expect } from "chai";
import { apiClient, type ApiClient } from "../support/api-client.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { startSystemServer, type TestServer } from "../support/servers.ts";
import { until } from "../support/until.ts";

describe("the readiness of the web tier", function () {
  this.timeout(120_000);
  let galaxy: Galaxy;
  let client: ApiClient;
  before(async () => {
    galaxy = await startGalaxy({ handlers: [] });
    client = apiClient(galaxy.address);
  });
  after(() => galaxy?.stop());

  it("misses a pool without a handler, by name, while the process lives", async () => {
    const { status, body } = await client("/health/ready");
    expect(status).to.equal(503);
    expect(body.status).to.equal("not ready");
    expect(body.missing).to.have.length(1);
    expect(body.missing[0]).to.match(
      /^pool job-handlers, which \d+ tools are mapped to, has no live handler$/,
    );
    expect(body.pools).to.have.length(1);
    expect(body.pools[0]).to.include({ name: "job-handlers", ready: false });
    expect((await client("/health/live")).body).to.deep.equal({ status: "live" });
  });

  it("is there with a handler, and gone with it", async () => {
    const handler = await galaxy.startHandler("handler0");
    const ready = await client("/health/ready");
    expect(ready.status).to.equal(200);
    expect(ready.body).to.include({ status: "ready" });
    expect(ready.body.missing).to.deep.equal([]);
    await handler.stop("SIGTERM");
    galaxy.handlers.splice(0, 1);
    expect((await client("/health/ready")).status).to.equal(503);
  });

  it("does not count a handler that was killed, once its lease is over", async () => {
    const handler = await galaxy.startHandler("handler1");
    expect((await client("/health/ready")).status).to.equal(200);
    await handler.stop("SIGKILL");
    galaxy.handlers.splice(0, 1);
    await until(async () => (await client("/health/ready")).status === 503, {
      what: "the killed handler's lease to end",
      deadline: 40_000,
      every: 500,
    });
  });

  it("misses the migration of a database that another release has migrated", async () => {
    await galaxy.startHandler("handler2");
    const { sql } = galaxy.database;
    await sql`insert into schema_migration (version, name, checksum) values (9999, '9999_later', 'x')`;
    const newer = await client("/health/ready");
    expect(newer.status).to.equal(503);
    expect(newer.body.migration).to.equal(9999);
    expect(newer.body.missing[0]).to.match(/migration 9999, this release needs \d+/);
    await sql`delete from schema_migration where version = 9999`;
    expect((await client("/health/ready")).status).to.equal(200);
  });
});

describe("the readiness of a web tier whose tools are mapped", function () {
  this.timeout(120_000);
  let galaxy: Galaxy | undefined;
  afterEach(async () => {
    await galaxy?.stop();
    galaxy = undefined;
  });

  it("names each pool that nobody serves, beside those that are served", async () => {
    galaxy = await startGalaxy({ jobs: { tools: [{ id: "sleep", handler: "special" }] } });
    const { status, body } = await apiClient(galaxy.address)("/health/ready");
    expect(status).to.equal(503);
    expect(body.missing).to.deep.equal([
      "pool job-handlers.special, which the tool sleep is mapped to, has no live handler",
    ]);
    expect(
      body.pools.map(({ name, ready }: { name: string; ready: boolean }) => ({ name, ready })),
    ).to.have.deep.members([
      { name: "job-handlers", ready: true },
      { name: "job-handlers.special", ready: false },
    ]);
    await galaxy.startHandler("special0", ["job-handlers.special"]);
    expect((await apiClient(galaxy.address)("/health/ready")).status).to.equal(200);
  });

  it("needs no other process where the web tier handles its jobs itself", async () => {
    galaxy = await startGalaxy({ handlers: [], assign: "db-self" });
    const { status, body } = await apiClient(galaxy.address)("/health/ready");
    expect({ status, missing: body.missing }).to.deep.equal({ status: 200, missing: [] });
    expect(body.pools[0]).to.include({ name: "main", ready: true });
  });
});

describe("the readiness of the web tier without its database", function () {
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

  it("says so while the database is away; the process lives and has its metrics, and is ready when it is back", async () => {
    const client = apiClient(galaxy.address);
    expect((await client("/health/ready")).status).to.equal(200);
    await server!.crash!();
    const away = await client("/health/ready");
    expect(away.status).to.equal(503);
    expect(away.body).to.deep.equal({
      status: "not ready",
      missing: ["the database does not answer"],
      migration: null,
      pools: [],
    });
    expect((await client("/health/live")).status).to.equal(200);
    expect((await client("/metrics")).text).to.contain("process_resident_memory_bytes");
    await server!.restart!();
    await until(async () => (await client("/health/ready")).status === 200, {
      what: "the web tier to be ready again",
      deadline: 40_000,
      every: 250,
    });
  });
});
