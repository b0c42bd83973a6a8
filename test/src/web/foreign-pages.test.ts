import { expect } from "chai";
import { must, rawRequest, startSharedGalaxy, type SharedGalaxy } from "../support/api-client.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";

const json = { "content-type": "application/json" };
const run = JSON.stringify({ tool_id: "sleep", inputs: { seconds: 0 } });

describe("pages of other sites, with a single user on a loopback address", function () {
  this.timeout(120_000);
  let galaxy: Galaxy;
  before(async () => {
    galaxy = await startGalaxy({ handlers: [] });
  });
  after(() => galaxy?.stop());

  it("everybody is that user, without a key", async () => {
    expect(await galaxy.api("/api/whoami")).to.include({ email: "tester@example.org", is_admin: false });
  });

  it("a name that was made to point here (DNS rebinding) is refused, for reading too", async () => {
    for (const host of [
      "evil.example",
      "evil.example:8080",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
    ]) {
      const { status, body } = await rawRequest(galaxy.address, "/api/jobs", { headers: { host } });
      expect({ status, code: body.err_code }, host).to.deep.equal({ status: 421, code: 421_001 });
    }
    for (const host of ["localhost", "localhost:1234", "[::1]:80", "127.0.0.1"])
      expect((await rawRequest(galaxy.address, "/api/jobs", { headers: { host } })).status, host).to.equal(
        200,
      );
  });

  it("a form or script of another site cannot change anything", async () => {
    const port = new URL(galaxy.address).port;
    const foreign: Record<string, string>[] = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: `http://127.0.0.1:${Number(port) + 1}` },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ];
    for (const headers of foreign) {
      const { status, body } = await rawRequest(galaxy.address, "/api/tools", {
        method: "POST",
        headers: { ...json, ...headers },
        body: run,
      });
      expect({ status, code: body.err_code }, JSON.stringify(headers)).to.deep.equal({
        status: 403,
        code: 403_004,
      });
    }
    const own = { ...json, origin: galaxy.address, "sec-fetch-site": "same-origin" };
    expect(
      (await rawRequest(galaxy.address, "/api/tools", { method: "POST", headers: own, body: run })).status,
    ).to.equal(200);
    expect(await galaxy.api("/api/jobs")).to.have.length(1);
  });
});

describe("pages of other sites, where people need keys", function () {
  this.timeout(120_000);
  let shared: SharedGalaxy;
  before(async () => {
    shared = await startSharedGalaxy({ handlers: [] });
  });
  after(() => shared?.galaxy.stop());

  it("cannot use the cookie, and may use a key that they know", async () => {
    const { address } = shared.galaxy;
    const cookie = `galaxyjobs_session=${shared.alice.key}`;
    const foreign = { ...json, origin: "https://evil.example" };
    const refused = await rawRequest(address, "/api/tools", {
      method: "POST",
      headers: { ...foreign, cookie },
      body: run,
    });
    expect(refused.body.err_code).to.equal(403_004);
    const known = await rawRequest(address, "/api/tools", {
      method: "POST",
      headers: { ...foreign, "x-api-key": shared.alice.key! },
      body: run,
    });
    expect(known.status).to.equal(200);
    expect(await must(shared.alice("/api/jobs"))).to.have.length(1);
  });
});
