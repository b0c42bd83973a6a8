import { expect } from "chai";
import {
  apiClient,
  bootstrapKey,
  must,
  startSharedGalaxy,
  type SharedGalaxy,
} from "../support/api-client.ts";

describe("API keys", function () {
  this.timeout(120_000);
  let shared: SharedGalaxy;
  before(async () => {
    shared = await startSharedGalaxy({ handlers: [] });
  });
  after(() => shared?.galaxy.stop());

  const whoami = async (headers: Record<string, string>, query = "") =>
    (await shared.nobody(`/api/whoami${query}`, { headers })).body?.username;

  it("are taken from the header, as a bearer token, from the query, and from the page's cookie", async () => {
    const key = shared.alice.key!;
    expect(await whoami({ "x-api-key": key })).to.equal("alice");
    expect(await whoami({ authorization: `Bearer ${key}` })).to.equal("alice");
    expect(await whoami({}, `?key=${key}`)).to.equal("alice");
    const session = await shared.nobody("/api/session", { body: { api_key: key } });
    const cookie = session.headers.get("set-cookie")!;
    expect(cookie)
      .to.match(/HttpOnly/i)
      .and.match(/SameSite=Strict/i)
      .and.match(/Path=\//);
    expect(await whoami({ cookie: `other=1; ${cookie.split(";")[0]}` })).to.equal("alice");
    const out = await shared.nobody("/api/session", { method: "DELETE" });
    expect(out.headers.get("set-cookie")).to.match(/=;.*Expires=Thu, 01 Jan 1970/);
  });

  it("in a header win over the cookie", async () => {
    const cookie = `galaxyjobs_session=${shared.alice.key}`;
    expect(await whoami({ cookie, "x-api-key": shared.bob.key! })).to.equal("bob");
  });

  it("are not needed to ask who one is, what there is, and how the server is", async () => {
    expect((await shared.nobody("/api/whoami")).text).to.equal("null");
    for (const path of ["/api/version", "/api/configuration", "/api/tools", "/health/live", "/metrics"])
      expect((await shared.nobody(path)).status, path).to.equal(200);
  });

  it("that are wrong are refused with 401, also where none is needed", async () => {
    for (const path of ["/api/jobs", "/api/whoami"]) {
      const { status, body } = await apiClient(shared.galaxy.address, "wrong")(path);
      expect({ status, code: body.err_code }).to.deep.equal({ status: 401, code: 401_001 });
    }
    const session = await shared.nobody("/api/session", { body: { api_key: "wrong" } });
    expect(session.status).to.equal(401);
    expect(session.headers.get("set-cookie")).to.equal(null);
  });

  it("are stored as hashes only, and shown once", async () => {
    const rows = await shared.galaxy.database.sql`select row_to_json(api_key)::text as row from api_key`;
    expect(rows.length).to.be.at.least(3);
    for (const { row } of rows)
      for (const { key } of [shared.alice, shared.bob]) expect(row).to.not.contain(key);
    expect(JSON.stringify(await must(shared.admin("/api/users")))).to.not.contain(
      shared.alice.key!.slice(0, 6),
    );
  });

  it("end when a new one is made, and when they are revoked", async () => {
    const made = await must(
      shared.admin("/api/users", { body: { email: "c@example.org", username: "carol" } }),
    );
    const newKey = async () => must(shared.admin(`/api/users/${made.id}/api_key`, { method: "POST" }));
    const first = apiClient(shared.galaxy.address, await newKey());
    expect((await first("/api/users/current")).status).to.equal(200);
    const second = apiClient(
      shared.galaxy.address,
      await must(first(`/api/users/${made.id}/api_key`, { method: "POST" })),
    );
    expect((await first("/api/users/current")).status).to.equal(401);
    expect((await second("/api/users/current")).status).to.equal(200);
    expect(await must(second(`/api/users/${made.id}/api_key`, { method: "DELETE" }))).to.equal(true);
    expect((await second("/api/users/current")).status).to.equal(401);
    expect(await must(shared.admin(`/api/users/${made.id}/api_key`, { method: "DELETE" }))).to.equal(false);
  });

  it("of a user who was locked out or removed no longer count", async () => {
    const made = await must(
      shared.admin("/api/users", { body: { email: "d@example.org", username: "dave" } }),
    );
    const key = await must(shared.admin(`/api/users/${made.id}/api_key`, { method: "POST" }));
    const dave = apiClient(shared.galaxy.address, key);
    const { sql } = shared.galaxy.database;
    await sql`update galaxy_user set active = false where username = 'dave'`;
    expect((await dave("/api/jobs")).status).to.equal(401);
    await sql`update galaxy_user set active = true, deleted = true where username = 'dave'`;
    expect((await dave("/api/jobs")).status).to.equal(401);
  });

  it("of the bootstrap administrator make users, and have no jobs of their own", async () => {
    expect((await shared.nobody("/api/users", { headers: { "x-api-key": bootstrapKey } })).status).to.equal(
      200,
    );
    const run = await shared.bootstrap("/api/tools", { body: { tool_id: "sleep", inputs: {} } });
    expect(run.status).to.equal(400);
    expect(run.body.err_msg).to.contain("POST /api/users");
    expect((await shared.bootstrap("/api/whoami")).text).to.equal("null");
    expect((await shared.bootstrap("/api/jobs")).status).to.equal(200);
  });

  it("make an administrator of those in admin_users, whatever the case of the letters", async () => {
    expect((await must(shared.admin("/api/whoami"))).is_admin).to.equal(true);
    expect((await must(shared.alice("/api/whoami"))).is_admin).to.equal(false);
    const users = await must(shared.admin("/api/users"));
    const admins = users.filter(({ is_admin }: { is_admin: boolean }) => is_admin);
    expect(admins.map(({ username }: { username: string }) => username)).to.deep.equal(["admin"]);
  });

  it("cannot be guessed faster than 100 times a minute from one address", async () => {
    const guess = (index: number) => apiClient(shared.galaxy.address, `guess-${index}`)("/api/whoami");
    const statuses: number[] = [];
    for (let index = 0; index < 110; index += 1) statuses.push((await guess(index)).status);
    expect(statuses[0]).to.equal(401);
    const last = await guess(200);
    expect({ status: last.status, code: last.body.err_code }).to.deep.equal({ status: 429, code: 429_001 });
    expect(Number(last.headers.get("retry-after"))).to.be.within(1, 60);
    // Monitoring goes on.
    expect((await shared.nobody("/health/live")).status).to.equal(200);
    expect((await shared.nobody("/metrics")).status).to.equal(200);
  });
});
