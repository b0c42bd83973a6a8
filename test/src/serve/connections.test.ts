import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { expect } from "chai";
import { everything, http, said, startTier, type Tier } from "../support/tier.ts";
import { until } from "../support/until.ts";

const get = (path: string, headers = "") => `GET ${path} HTTP/1.1\r\nHost: here\r\n${headers}\r\n`;
/** 10,000 clients that ask once and keep their connections; then, 100 of them ask again. A process of its own: it needs as many files. */
const crowdScript = `
const { connect } = require("node:net");
const port = Number(process.argv[1]);
const ask = (socket) => new Promise((resolve, reject) => {
  socket.once("data", resolve).once("error", reject);
  socket.write("GET /a HTTP/1.1\\r\\nHost: here\\r\\n\\r\\n");
});
(async () => {
  const sockets = [];
  while (sockets.length < 10000) {
    const batch = Array.from({ length: 100 }, () => connect({ host: "127.0.0." + (1 + sockets.length % 5), port }));
    await Promise.all(batch.map(ask));
    sockets.push(...batch);
  }
  console.log(sockets.length + " answered");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  await Promise.all(sockets.slice(0, 100).map(ask));
  console.log("100 answered again");
})();
`;
const openFiles = () => Number(execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim());

describe("the connections of a web process", function () {
  this.timeout(60_000);
  let tier: Tier;
  afterEach(() => tier?.stop());

  const held: ServerResponse[] = [];
  const application = (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === "/hold") {
      held.push(response);
      return;
    }
    if (request.url === "/events") {
      response.setHeader("content-type", "text/event-stream");
      response.write(": begins\n\n");
      return;
    }
    if (request.url === "/fail") {
      response.writeHead(500).end("bad");
      return;
    }
    let bytes = 0;
    request.on("data", (chunk: Buffer) => (bytes += chunk.length));
    request.on("end", () => response.end(`got ${bytes}`));
  };
  beforeEach(() => held.splice(0));

  it("answers several requests on one connection, and counts them and their bytes", async () => {
    tier = await startTier({ app: application, listeners: [http()] });
    const socket = tier.dial("http");
    let bytes = 0;
    socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
    for (const path of ["/a", "/fail", "/b"]) {
      socket.write(get(path));
      await said(socket, path === "/fail" ? /bad/ : /got 0/);
    }
    const counts = await until(
      () => {
        const now = tier.connections.counts();
        return now.active === 0 ? now : undefined;
      },
      { what: "the last request to be over" },
    );
    expect(counts).to.include({ open: 1, active: 0, requests: 3, exceptions: 1, bytesSent: bytes });
    expect(counts.oldestActiveSince).to.equal(undefined);
    expect(counts.averageResponseMs).to.be.greaterThan(0);
    socket.destroy();
    await until(() => tier.connections.counts().open === 0, { what: "the connection to be forgotten" });
    expect(tier.connections.counts().bytesSent).to.equal(bytes);
  });

  it("tells since when a request waits for its answer, and does not call an upload late", async () => {
    tier = await startTier({ app: application, listeners: [http()], limits: { sweepInterval: 20 } });
    const before = Date.now();
    const waiting = tier.dial("http");
    waiting.write(get("/hold"));
    await until(() => held.length === 1, { what: "the request" });
    const since = tier.connections.counts().oldestActiveSince!;
    expect(since).to.be.within(before - 1, Date.now() + 1);
    held[0]!.end();
    await said(waiting, /200 OK/);
    const upload = tier.dial("http");
    upload.write("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
    await until(() => tier.connections.counts().active === 1, { what: "the upload" });
    const first = tier.connections.counts().oldestActiveSince!;
    await until(
      () => {
        upload.write("more");
        return tier.connections.counts().oldestActiveSince! > first + 100;
      },
      { what: "the upload to be counted from its last bytes" },
    );
  });

  describe("that are drained", () => {
    it("get an answer to the request under way, and to one that comes on a kept connection, and are told to go", async () => {
      tier = await startTier({ app: application, listeners: [http()] });
      const [busy, kept, idle] = [tier.dial("http"), tier.dial("http"), tier.dial("http")];
      busy.write(get("/hold"));
      kept.write(get("/a"));
      idle.write(get("/a"));
      await Promise.all([said(kept, /got 0/), said(idle, /got 0/)]);
      await until(() => held.length === 1, { what: "the request under way" });
      const drained = tier.connections.drain(30_000, 2_000);
      const [answerToBusy, answerToKept, nothing] = [everything(busy), everything(kept), everything(idle)];
      kept.write(get("/b"));
      expect(await answerToKept).to.match(/^HTTP\/1.1 200 OK\r\n[^]*connection: close[^]*got 0$/i);
      held[0]!.end("late but whole");
      expect(await answerToBusy).to.match(/connection: close[^]*late but whole/i);
      expect(await nothing).to.equal("");
      await drained;
      expect(tier.connections.counts().open).to.equal(0);
    });

    it("end event streams at once, and are cut when patience is over", async () => {
      tier = await startTier({ app: application, listeners: [http()] });
      const [events, stuck] = [tier.dial("http"), tier.dial("http")];
      events.write(get("/events"));
      stuck.write(get("/hold"));
      await said(events, /begins/);
      await until(() => held.length === 1, { what: "the stuck request" });
      const [endOfEvents, endOfStuck] = [everything(events), everything(stuck)];
      const drained = tier.connections.drain(1_500, 0);
      expect(await endOfEvents).to.match(/0\r\n\r\n$/);
      await until(() => tier.connections.counts().open === 1, { what: "the end of the event stream" });
      expect(await endOfStuck).to.equal("");
      await drained;
    });

    it("take a connection that was handed over in the last moment", async () => {
      tier = await startTier({ app: application, listeners: [http()] });
      const first = tier.dial("http");
      first.write(get("/hold"));
      await until(() => held.length === 1, { what: "the request under way" });
      const drained = tier.connections.drain(30_000, 200);
      const late = tier.dial("http");
      late.write(get("/a"));
      expect(await everything(late)).to.match(/connection: close[^]*got 0$/i);
      held[0]!.end();
      await drained;
    });
  });

  describe("of bad clients", () => {
    it("are closed when headers drip in, on new and on kept connections, while others are served", async () => {
      const limits = { headersTimeout: 400, sweepInterval: 50 };
      tier = await startTier({ app: application, listeners: [http()], limits });
      const [fresh, kept] = [tier.dial("http"), tier.dial("http")];
      kept.write(get("/a"));
      await said(kept, /got 0/);
      const ends = [everything(fresh), everything(kept)];
      fresh.write("GET / HTTP/1.1\r\nHost: here\r\n");
      kept.write("GET / HTTP/1.1\r\n");
      let over = false;
      const drip = async (socket: typeof fresh) => {
        for (let number = 0; !over && !socket.destroyed; number += 1) {
          socket.write(`x-${number}: a\r\n`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      const dripping = [drip(fresh), drip(kept)];
      const third = tier.dial("http");
      third.write(get("/a"));
      await said(third, /got 0/);
      third.destroy();
      for (const answer of await Promise.all(ends)) expect(answer).to.match(/^HTTP\/1.1 408 /);
      over = true;
      await Promise.all(dripping);
    });

    it("are closed when a body stops, not when it is slow and goes on", async () => {
      const limits = { bodyWindow: 400, bodyBytes: 100, sweepInterval: 50 };
      tier = await startTier({ app: application, listeners: [http()], limits });
      const head = "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 6000\r\n\r\n";
      const [steady, stopped] = [tier.dial("http"), tier.dial("http")];
      const answers = [said(steady, /got 6000/), everything(stopped)] as const;
      steady.write(head);
      stopped.write(`${head}some`);
      for (let part = 0; part < 30; part += 1) {
        steady.write("x".repeat(200));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(await answers[0]).to.contain("200 OK");
      expect(await answers[1]).to.match(/^HTTP\/1.1 408 /);
    });

    it("get 431 for a head that is too large, and 400 for one that is none", async () => {
      tier = await startTier({ app: application, listeners: [http()] });
      const [large, wrong] = [tier.dial("http"), tier.dial("http")];
      const answers = [everything(large), everything(wrong)];
      large.write(get("/", `x-large: ${"a".repeat(200_000)}\r\n`));
      wrong.write("HELO example.org\r\n\r\n");
      expect(await answers[0]).to.match(/^HTTP\/1.1 431 /);
      expect(await answers[1]).to.match(/^HTTP\/1.1 400 /);
    });

    it("are closed when they say nothing at all, before or after a request", async () => {
      const limits = { headersTimeout: 300, keepAliveTimeout: 300, sweepInterval: 50 };
      tier = await startTier({ app: application, listeners: [http()], limits });
      const [mute, done] = [tier.dial("http"), tier.dial("http")];
      done.write(get("/a"));
      await said(done, /got 0/);
      expect(await Promise.all([everything(mute), everything(done)])).to.deep.equal(["", ""]);
    });

    it("do not keep others out: 10,000 idle ones, and the tier goes on serving", async function () {
      if (openFiles() < 11_000) {
        console.log("      (needs `ulimit -n` of 11000 or more)");
        this.skip();
      }
      // On a loaded machine the last ones come long after the first.
      const limits = { keepAliveTimeout: 300_000, headersTimeout: 300_000 };
      tier = await startTier({ app: application, listeners: [http()], limits });
      const crowd = spawn(process.execPath, ["-e", crowdScript, String(tier.port("http"))], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      try {
        const [ready] = (await once(crowd.stdout, "data")) as [Buffer];
        expect(ready.toString()).to.equal("10000 answered\n");
        expect(tier.connections.counts()).to.include({ open: 10_000, active: 0, requests: 10_000 });
        const one = tier.dial("http");
        one.write(get("/a"));
        await said(one, /got 0/);
        one.destroy();
        crowd.stdin.end("again");
        const [again] = (await once(crowd.stdout, "data")) as [Buffer];
        expect(again.toString()).to.equal("100 answered again\n");
      } finally {
        crowd.kill("SIGKILL");
      }
    });
  });
});
