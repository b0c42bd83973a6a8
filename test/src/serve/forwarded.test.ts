import { type ListenerSpec } from "@galaxy-jobs/runtime";
import { createServer, connect } from "node:net";
import { once } from "node:events";
import { proxyLine, TrustedProxies } from "@galaxy-jobs/web";
import { expect } from "chai";
import express from "express";
import { everything, http, said, startTier, type Tier } from "../support/tier.ts";

const unix: ListenerSpec = { id: "unix", protocol: "http", address: { path: "web.sock" } };
const pool: ListenerSpec = {
  id: "pool",
  protocol: "http",
  address: { path: "pool.sock" },
  proxyHeader: true,
};
const uwsgi: ListenerSpec = { id: "uwsgi", protocol: "uwsgi", address: { path: "uwsgi.sock" } };

/** The settings of create-app.ts. */
const app = express()
  .set("trust proxy", 1)
  .use((request, response) => {
    response.send(`${request.ip} ${request.protocol} ${request.hostname}\n`);
  });

describe("what a proxy says about its client", function () {
  this.timeout(30_000);
  const tiers: Tier[] = [];
  afterEach(async () => {
    for (const tier of tiers.splice(0)) await tier.stop();
  });
  const start = async (listeners: readonly ListenerSpec[], trusted: readonly string[] = []) => {
    const tier = await startTier({ app, listeners, trustedProxies: new TrustedProxies(trusted) });
    tiers.push(tier);
    return tier;
  };
  const forged =
    "X-Forwarded-For: 198.51.100.9, 203.0.113.5\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: forged.example\r\n";
  async function ask(tier: Tier, id: string, before = "", headers = forged): Promise<string> {
    const socket = tier.dial(id);
    socket.write(`${before}GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n${headers}\r\n`);
    return (await everything(socket)).split("\r\n\r\n")[1]!.trim();
  }

  it("is believed from a unix socket: the address that the nearest proxy saw", async () => {
    const tier = await start([unix]);
    expect(await ask(tier, "unix")).to.equal("203.0.113.5 https forged.example");
    expect(await ask(tier, "unix", "", "")).to.equal("127.0.0.1 http here");
    expect(
      await ask(tier, "unix", "", "X-Forwarded-For: not, an address\r\nX-Forwarded-Proto: gopher\r\n"),
    ).to.equal("127.0.0.1 http here");
  });

  it("is not believed from TCP, unless its address is configured", async () => {
    const [plain, behindProxy] = [await start([http()]), await start([http()], ["127.0.0.0/8"])];
    expect(await ask(plain, "http")).to.equal("127.0.0.1 http here");
    expect(await ask(behindProxy, "http")).to.equal("203.0.113.5 https forged.example");
  });

  it("is followed through several configured proxies to the first address that is none", async () => {
    const tier = await start([unix], ["203.0.113.0/24"]);
    expect(await ask(tier, "unix")).to.equal("198.51.100.9 https forged.example");
  });

  it("comes in the variables of uwsgi, where headers of the client are only headers", async () => {
    const tier = await start([uwsgi]);
    const variables = {
      REQUEST_METHOD: "GET",
      REQUEST_URI: "/",
      HTTP_HOST: "here",
      REMOTE_ADDR: "192.0.2.1",
      REQUEST_SCHEME: "https",
      HTTP_X_FORWARDED_FOR: "198.51.100.9",
      HTTP_X_FORWARDED_PROTO: "http",
    };
    const block = Buffer.concat(
      Object.entries(variables)
        .flat()
        .map((text) => Buffer.concat([Buffer.from([text.length, 0]), Buffer.from(text)])),
    );
    const socket = tier.dial("uwsgi");
    socket.write(Buffer.concat([Buffer.from([0, block.length & 255, block.length >> 8, 0]), block]));
    expect(await everything(socket)).to.match(/192\.0\.2\.1 https here\n$/);
  });

  it("comes in the PROXY line of a zerg pool, where the client's headers are not believed", async () => {
    const tier = await start([pool]);
    expect(await ask(tier, "pool", "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n")).to.equal(
      "192.0.2.1 http here",
    );
    expect(await ask(tier, "pool", "PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n")).to.equal(
      "2001:db8::1 http here",
    );
    // The pool's own listener is a unix socket.
    expect(await ask(tier, "pool", "PROXY UNKNOWN\r\n")).to.equal("203.0.113.5 https forged.example");
  });

  it("is read when the line comes in pieces, and further requests on the connection need none", async () => {
    const tier = await start([pool]);
    const socket = tier.dial("pool");
    for (const piece of ["PROXY TC", "P4 192.0.2.1 192.0.", "2.2 4711 80\r", "\nGET / HT"]) {
      socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    socket.write("TP/1.1\r\nHost: here\r\n\r\n");
    await said(socket, /192\.0\.2\.1 http/);
    socket.write("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    await said(socket, /192\.0\.2\.1 http/);
    socket.destroy();
  });

  it("is needed there: what does not begin with a good line is closed", async () => {
    const tier = await start([pool]);
    for (const line of [
      "GET / HTTP/1.1\r\n\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n",
      "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.2 4711 99999\r\n",
      `PROXY TCP4 ${"1".repeat(200)}`,
    ]) {
      const socket = tier.dial("pool");
      socket.write(line);
      expect(await everything(socket), line).to.equal("");
    }
  });

  it("is not taken from PROXY lines on TCP, where anybody could write one", async () => {
    let message = "";
    await start([{ ...http(), proxyHeader: true }]).catch((error: Error) => (message = error.message));
    expect(message).to.contain("it must be a unix socket");
  });

  it("is written as a PROXY line by the pool in the form that is read", async () => {
    const tier = await start([pool]);
    const front = createServer((client) => {
      const back = tier.dial("pool");
      back.write(proxyLine(client));
      client.pipe(back).pipe(client);
    }).listen(0, "127.0.0.1");
    await once(front, "listening");
    const { port } = front.address() as { port: number };
    const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.9" });
    socket.write("GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    expect(await everything(socket)).to.match(/127\.0\.0\.9 http here\n$/);
    front.close();
  });

  it("may be configured with addresses and networks only", () => {
    for (const entry of ["proxy.example.org", "10.0.0.0/33", "10.0.0.0/x", ""])
      expect(() => new TrustedProxies([entry]), entry).to.throw(/neither an address nor a network/);
    const proxies = new TrustedProxies(["10.0.0.0/8", "fd00::/8", "192.0.2.1"]);
    const has = ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "192.0.2.1", "192.0.2.2", "x"].map((a) =>
      proxies.has(a),
    );
    expect(has).to.deep.equal([true, true, true, true, false, false]);
  });
});
