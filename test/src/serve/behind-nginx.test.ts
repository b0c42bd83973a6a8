import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { chmod, mkdir, open, readFile, stat } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { staticMap, TrustedProxies } from "@galaxy-jobs/web";
import { expect } from "chai";
import express from "express";
import { hasNginx, startNginx, type Nginx } from "../support/nginx.ts";
import { startTier, type Tier } from "../support/tier.ts";

const megabyte = 1_048_576;
const uploadBytes = 200 * megabyte;

describe("behind nginx", function () {
  this.timeout(180_000);
  let tier: Tier;
  let nginx: Nginx;
  let folder: string;
  before(async function () {
    if (!hasNginx()) {
      console.log("      (needs the program nginx)");
      this.skip();
    }
    let files: ReturnType<typeof staticMap> | undefined;
    const app = express().set("trust proxy", 1);
    app.get("/who", (asked, response) => {
      response.json({ ip: asked.ip, secure: asked.secure, host: asked.get("host"), url: asked.originalUrl });
    });
    app.get("/events", (_asked, response) => {
      response.set({ "content-type": "text/event-stream", "x-accel-buffering": "no" });
      response.write("data: first\n\n");
    });
    app.post("/upload/:name", async (asked, response) => {
      await pipeline(asked, createWriteStream(join(folder, "data", String(asked.params["name"]))));
      response.json({});
    });
    tier = await startTier({
      // The clients of this test come from loopback: none of them is a proxy.
      trustedProxies: new TrustedProxies([]),
      app: (asked, response) => {
        files ??= staticMap([{ mount: "/data", path: join(folder, "data") }]);
        files(asked, response, () => void app(asked, response));
      },
      listeners: [
        { id: "http", protocol: "http", address: { path: "http.sock", mode: 0o666 } },
        { id: "uwsgi", protocol: "uwsgi", address: { path: "uwsgi.sock", mode: 0o666 } },
      ],
    });
    folder = tier.folder;
    await chmod(folder, 0o755);
    await mkdir(join(folder, "data"));
    nginx = await startNginx({
      http: `upstream galaxy { server unix:${folder}/http.sock; keepalive 8; }`,
      server: `
    location /http/ {
      proxy_pass http://galaxy/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off;
    }
    location /uwsgi/ {
      include /etc/nginx/uwsgi_params;
      uwsgi_param HTTP_HOST $host:$server_port;
      rewrite ^/uwsgi(/.*)$ $1 break;
      uwsgi_param REQUEST_URI $uri$is_args$args;
      uwsgi_pass unix:${folder}/uwsgi.sock;
      uwsgi_request_buffering off;
    }
    location /buffered/ {
      include /etc/nginx/uwsgi_params;
      uwsgi_param HTTP_HOST $host:$server_port;
      rewrite ^/buffered(/.*)$ $1 break;
      uwsgi_param REQUEST_URI $uri$is_args$args;
      uwsgi_pass unix:${folder}/uwsgi.sock;
    }`,
    });
  });
  after(async () => {
    await nginx?.stop();
    await tier?.stop();
  });

  function ask(path: string, options: { method?: string; headers?: Record<string, string> } = {}) {
    return request({ host: "127.0.0.1", port: nginx.port, path, agent: false, ...options });
  }
  async function answer(asked: ReturnType<typeof ask>): Promise<{ response: IncomingMessage; body: Buffer }> {
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    return { response, body: Buffer.concat(await response.toArray()) };
  }

  for (const way of ["http", "uwsgi", "buffered"]) {
    it(`knows the client and what it asked for (${way})`, async () => {
      const { response, body } = await answer(
        ask(`/${way}/who?a=b`, { headers: { "x-forwarded-for": "198.51.100.9" } }).end(),
      );
      expect(response.statusCode).to.equal(200);
      expect(JSON.parse(body.toString())).to.deep.equal({
        ip: "127.0.0.1",
        secure: false,
        host: `127.0.0.1:${nginx.port}`,
        url: "/who?a=b",
      });
    });

    it(`streams an upload of 200 MB to the file, and gives it back whole and in ranges (${way})`, async () => {
      const block = randomBytes(megabyte);
      const hash = createHash("sha256");
      const asked = ask(`/${way}/upload/${way}`, {
        method: "POST",
        headers: { "content-length": String(uploadBytes) },
      });
      for (let sent = 0; sent < uploadBytes; sent += megabyte) {
        hash.update(block);
        if (!asked.write(block)) await once(asked, "drain");
      }
      asked.end();
      const { response, body } = await answer(asked);
      expect(response.statusCode, body.toString()).to.equal(200);
      const file = join(folder, "data", way);
      expect((await stat(file)).size).to.equal(uploadBytes);

      const whole = createHash("sha256");
      const download = ask(`/${way}/data/${way}`).end();
      const [got] = (await once(download, "response")) as [IncomingMessage];
      await pipeline(got, whole);
      expect(whole.digest("hex")).to.equal(hash.digest("hex"));

      const from = 123 * megabyte + 7;
      const ranged = await answer(
        ask(`/${way}/data/${way}`, { headers: { range: `bytes=${from}-${from + 99}` } }).end(),
      );
      expect(ranged.response.statusCode).to.equal(206);
      expect(ranged.response.headers["content-range"]).to.equal(`bytes ${from}-${from + 99}/${uploadBytes}`);
      const expected = Buffer.alloc(100);
      const handle = await open(file);
      await handle.read(expected, 0, 100, from);
      await handle.close();
      expect(ranged.body.equals(expected)).to.equal(true);
      const tail = await answer(ask(`/${way}/data/${way}`, { headers: { range: "bytes=-5" } }).end());
      expect(tail.body.equals((await readFile(file)).subarray(-5))).to.equal(true);
    });

    it(`takes a body without a length (${way})`, async () => {
      const asked = ask(`/${way}/upload/chunked`, { method: "POST" });
      asked.write("in ");
      asked.write("chunks");
      asked.end();
      const { response, body } = await answer(asked);
      expect(response.statusCode, body.toString()).to.equal(200);
      expect(await readFile(join(folder, "data", "chunked"), "utf8")).to.equal("in chunks");
    });

    it(`passes events on as they come (${way})`, async () => {
      const asked = ask(`/${way}/events`).end();
      const [response] = (await once(asked, "response")) as [IncomingMessage];
      const [chunk] = (await once(response, "data")) as [Buffer];
      expect(chunk.toString()).to.equal("data: first\n\n");
      asked.destroy();
    });
  }

  it("drained while nginx keeps connections to it, answers every request", async () => {
    const outcomes: Promise<number>[] = [];
    const one = () => {
      outcomes.push(answer(ask("/http/who").end()).then(({ response }) => response.statusCode!));
    };
    for (let count = 0; count < 20; count += 1) one();
    await Promise.all(outcomes);
    const drained = tier.connections.drain(20_000, 500);
    for (let count = 0; count < 20; count += 1) one();
    expect(new Set(await Promise.all(outcomes))).to.deep.equal(new Set([200]));
    await drained;
    expect(await nginx.errors()).to.not.match(/\[(error|crit|alert)\]/);
  });
});
