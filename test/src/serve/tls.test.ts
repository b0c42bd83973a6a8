import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { type ListenerSpec } from "@galaxy-jobs/runtime";
import { expect } from "chai";
import { hasOpenssl, makeCertificate } from "../support/certificate.ts";
import { everything, said, startTier, type Tier } from "../support/tier.ts";
import { until } from "../support/until.ts";

const listener = (tls: { certificate: string; key: string }): ListenerSpec => ({
  id: "https",
  protocol: "https",
  address: { host: "127.0.0.1", port: 0 },
  tls,
});

describe("https", function () {
  this.timeout(60_000);
  let folder: string;
  let tier: Tier | undefined;
  before(async function () {
    if (!hasOpenssl()) {
      console.log("      (needs the program openssl)");
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), "galaxy-tls-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));
  afterEach(async () => {
    await tier?.stop();
    tier = undefined;
  });

  const start = (tls: { certificate: string; key: string }, headersTimeout = 1_000) =>
    startTier({
      app: (asked, response) => {
        const { encrypted } = asked.socket as unknown as { encrypted?: boolean };
        response.end(`encrypted ${encrypted}, from ${asked.socket.remoteAddress}`);
      },
      listeners: [listener(tls)],
      limits: { headersTimeout, sweepInterval: 50 },
    });
  const dial = (options: object = {}) =>
    connectTls({
      host: "127.0.0.1",
      port: tier!.port("https"),
      rejectUnauthorized: false,
      ALPNProtocols: ["h2", "http/1.1"],
      ...options,
    });
  async function fault(tls: { certificate: string; key: string }): Promise<string> {
    try {
      tier = await start(tls);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error("it started");
  }

  it("answers, speaks HTTP/1.1 only, and counts what it sent and received", async () => {
    tier = await start(makeCertificate(folder, "good"));
    const socket = dial();
    await once(socket, "secureConnect");
    expect(socket.alpnProtocol).to.equal("http/1.1");
    socket.write("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    expect(await said(socket, /from/)).to.contain("encrypted true, from 127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    await said(socket, /from/);
    const counts = tier.connections.counts();
    expect(counts).to.include({ requests: 2, open: 1 });
    expect(counts.bytesSent).to.be.greaterThan(100);
    const drained = tier.connections.drain(10_000, 100);
    await everything(socket);
    await drained;
  });

  it("lets go of clients that do not speak TLS, or stop in its handshake", async () => {
    tier = await start(makeCertificate(folder, "good"));
    const [plain, mute] = [tier.dial("https"), tier.dial("https")];
    const ends = [everything(plain), everything(mute)];
    plain.write("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    mute.write(Buffer.from([0x16, 0x03, 0x01]));
    await Promise.all(ends);
    await until(() => tier!.connections.counts().open === 0, { what: "both to be forgotten" });
  });

  it("takes a renewed certificate at a reload, and keeps the old one if the new one is faulty", async () => {
    const files = makeCertificate(folder, "old");
    // One connection asks for nothing until the end.
    tier = await start(files, 60_000);
    const subject = async () => {
      const socket = dial();
      await once(socket, "secureConnect");
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      return CN;
    };
    const kept = dial();
    await once(kept, "secureConnect");
    expect(await subject()).to.equal("old");
    const renewed = makeCertificate(folder, "new");
    await writeFile(files.certificate, await readFile(renewed.certificate));
    expect(() => tier!.connections.reloadCertificates()).to.throw(/is not that of the certificate/);
    expect(await subject()).to.equal("old");
    await writeFile(files.key, await readFile(renewed.key));
    tier.connections.reloadCertificates();
    expect(await subject()).to.equal("new");
    kept.write("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    expect(await said(kept, /encrypted true/)).to.contain("200 OK");
    kept.destroy();
  });

  it("does not start with files that cannot serve, and names file and remedy", async () => {
    const good = makeCertificate(folder, "one");
    const other = makeCertificate(folder, "two");
    const expired = makeCertificate(folder, "expired", 0);
    expect(await fault({ ...good, certificate: "/nowhere/a.crt" })).to.equal(
      "cannot read the TLS certificate /nowhere/a.crt: there is no such file; correct its path",
    );
    expect(await fault({ ...good, key: other.key })).to.match(
      /two\.key is not that of the certificate .*one\.crt/,
    );
    expect(await fault({ ...good, certificate: good.key })).to.match(
      /one\.key is no certificate in PEM form/,
    );
    expect(await fault({ ...good, key: good.certificate })).to.match(
      /one\.crt is no private key in PEM form/,
    );
    await until(async () => (await fault(expired).catch(() => "")).includes("expired at"), {
      what: "the certificate to be over",
      every: 100,
    });
  });

  it("is where http-to-https sends everybody, with the same host and path, and to no other place", async () => {
    tier = await startTier({
      app: (_request, response) => response.end("the application"),
      listeners: [
        { id: "plain", protocol: "http-to-https", address: { host: "127.0.0.1", port: 0 }, httpsPort: 8443 },
        { id: "usual", protocol: "http-to-https", address: { host: "127.0.0.1", port: 0 }, httpsPort: 443 },
      ],
    });
    const ask = async (id: string, head: string) => {
      const socket = tier!.dial(id);
      socket.write(`${head}Connection: close\r\n\r\n`);
      const answer = await everything(socket);
      return `${answer.slice(9, 12)} ${/^location: (.*)\r$/im.exec(answer)?.[1] ?? ""}`;
    };
    expect(await ask("plain", "GET /a/b?c=d HTTP/1.1\r\nHost: galaxy.example.org\r\n")).to.equal(
      "301 https://galaxy.example.org:8443/a/b?c=d",
    );
    expect(await ask("usual", "HEAD / HTTP/1.1\r\nHost: galaxy.example.org:8080\r\n")).to.equal(
      "301 https://galaxy.example.org/",
    );
    expect(await ask("usual", "POST /x HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 0\r\n")).to.equal(
      "308 https://[::1]/x",
    );
    expect(await ask("usual", "GET http://evil.example/x?y HTTP/1.1\r\nHost: good.example\r\n")).to.equal(
      "301 https://good.example/x?y",
    );
    expect(await ask("usual", "GET //evil.example/x HTTP/1.1\r\nHost: good.example\r\n")).to.equal(
      "301 https://good.example//evil.example/x",
    );
    for (const host of ["evil.example/path", "good.example@evil.example", "a b", "good.example:8080:1", ""])
      expect(await ask("usual", `GET / HTTP/1.1\r\nHost: ${host}\r\n`), host).to.equal("400 ");
    expect(await ask("usual", "GET / HTTP/1.0\r\n")).to.equal("400 ");
  });

  it("serves an ordinary client", async () => {
    tier = await start(makeCertificate(folder, "good"));
    const asked = request({ port: tier.port("https"), host: "127.0.0.1", rejectUnauthorized: false }).end();
    const [response] = (await once(asked, "response")) as [import("node:http").IncomingMessage];
    const chunks = await response.toArray();
    expect(Buffer.concat(chunks).toString()).to.contain("encrypted true");
  });
});
