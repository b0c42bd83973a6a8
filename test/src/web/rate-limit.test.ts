import { expect } from "chai";
import {
  apiClient,
  startSharedGalaxy,
  type Answer,
  type ApiClient,
  type SharedGalaxy,
} from "../support/api-client.ts";

describe("the rate limit", function () {
  this.timeout(120_000);
  let shared: SharedGalaxy;
  before(async () => {
    shared = await startSharedGalaxy({ handlers: [], web: { "rate-limit": 8 } });
  });
  after(() => shared?.galaxy.stop());

  const ask = async (client: ApiClient, times: number, path = "/api/version", headers = {}) => {
    const answers: Answer[] = [];
    for (let time = 0; time < times; time += 1) answers.push(await client(path, { headers }));
    return answers;
  };

  it("answers 429 with Retry-After to a client beyond it, and the others as ever", async () => {
    const answers = await ask(shared.alice, 9);
    expect(answers.slice(0, 8).map(({ status }) => status)).to.deep.equal(Array(8).fill(200));
    const last = answers[8]!;
    expect(last.status).to.equal(429);
    expect(last.body.err_code).to.equal(429_001);
    expect(last.body.err_msg).to.contain("8 requests a minute");
    expect(Number(last.headers.get("retry-after"))).to.be.within(1, 60);
    // A client is its key, however it is sent; the same host has others.
    const bearer = { authorization: `Bearer ${shared.alice.key}` };
    expect((await shared.nobody("/api/version", { headers: bearer })).status).to.equal(429);
    expect((await shared.bob("/api/version")).status).to.equal(200);
  });

  it("counts those without a key by their address, which a proxy on this host may tell", async () => {
    const from = (address: string) => ({ "x-forwarded-for": address });
    const statuses = async (address: string, times: number) =>
      (await ask(shared.nobody, times, "/api/version", from(address))).map(({ status }) => status);
    expect((await statuses("192.0.2.1", 9)).at(-1)).to.equal(429);
    expect(await statuses("192.0.2.2", 1)).to.deep.equal([200]);
    // A whole network of IPv6 is one client.
    for (let host = 1; host <= 8; host += 1) await statuses(`2001:db8:0:1::${host}`, 1);
    expect(await statuses("2001:db8:0:1::99", 1)).to.deep.equal([429]);
    expect(await statuses("2001:db8:ffff:1::99", 1)).to.deep.equal([200]);
  });

  it("leaves health and metrics alone", async () => {
    for (const path of ["/health/live", "/health/ready", "/metrics"])
      for (const { status } of await ask(shared.alice, 12, path)) expect(status, path).to.not.equal(429);
  });

  it("is none when it is 0", async () => {
    const free = await startSharedGalaxy({ handlers: [], web: { "rate-limit": 0 } });
    try {
      const client = apiClient(free.galaxy.address, free.alice.key);
      for (const { status } of await ask(client, 40)) expect(status).to.equal(200);
    } finally {
      await free.galaxy.stop();
    }
  });
});
