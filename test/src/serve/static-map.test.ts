import { mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { staticMap } from "@galaxy-jobs/web";
import { expect } from "chai";
import { everything, http, startTier, type Tier } from "../support/tier.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

describe("static-map", function () {
  this.timeout(60_000);
  let folder: string;
  let tier: Tier;
  const style = "body { color: black }\n".repeat(50);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "galaxy-static-"));
    const write = async (name: string, content: string | Buffer) => {
      await mkdir(join(folder, name, ".."), { recursive: true });
      await writeFile(join(folder, name), content);
    };
    await write("static/app.js", "let a = 1;\n");
    await write("static/plain.css", style);
    await write("static/plain.css.gz", gzipSync(style));
    await write("static/plain.css.br", brotliCompressSync(style));
    await write("static/old.css", style);
    await write("static/old.css.gz", gzipSync("an earlier release"));
    await utimes(join(folder, "static/old.css.gz"), 1, 1);
    await write("static/docs/index.html", "<p>index</p>");
    await write("static/bare/data.txt", "data");
    await write("static/.git/config", "secret");
    await write("static/größe 1.txt", "umlaut");
    await write("blue/base.css", "blue");
    await write("icon.ico", "icon");
    await write("secret.txt", "secret");
    await symlink(join(folder, "secret.txt"), join(folder, "static/escape.txt"));
    await symlink(folder, join(folder, "static/up"));
    await symlink("app.js", join(folder, "static/inside.js"));
    await writeFile(join(folder, "static/huge.bin"), "");
    await truncate(join(folder, "static/huge.bin"), 2 * 1024 ** 3);
    const maps = [
      { mount: "/static/style", path: join(folder, "blue") },
      { mount: "/static", path: join(folder, "static") },
      { mount: "/favicon.ico", path: join(folder, "icon.ico") },
    ];
    const files = staticMap(maps, ["index.html"]);
    tier = await startTier({
      app: (request, response) =>
        files(request, response, () => response.end(`the application at ${request.url}`)),
      listeners: [http()],
    });
  });
  after(async () => {
    await tier?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
    const socket = tier.dial("http");
    const lines = Object.entries({ host: "here", connection: "close", ...headers }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
    const text = await everything(socket);
    const end = text.indexOf("\r\n\r\n");
    const [first = "", ...rest] = text.slice(0, end).split("\r\n");
    const pairs = rest.map((line) => [
      line.slice(0, line.indexOf(":")).toLowerCase(),
      line.slice(line.indexOf(":") + 2),
    ]);
    return {
      status: Number(first.split(" ")[1]),
      headers: Object.fromEntries(pairs),
      body: text.slice(end + 4),
    };
  }

  it("serves files with their type, and what is not there goes to the application", async () => {
    const script = await ask("/static/app.js?v=1");
    expect(script).to.include({ status: 200, body: "let a = 1;\n" });
    expect(script.headers).to.include({
      "content-type": "text/javascript; charset=utf-8",
      "x-content-type-options": "nosniff",
      "accept-ranges": "bytes",
    });
    expect((await ask("/static/gr%C3%B6%C3%9Fe%201.txt")).body).to.equal("umlaut");
    for (const path of ["/static/none.js", "/staticapp.js", "/static/app.js/more", "/static/app.js/", "/"])
      expect((await ask(path)).body).to.contain(`the application at ${path}`);
    expect((await ask("/static/app.js", { "content-length": "0" }, "POST")).body).to.contain(
      "the application",
    );
    expect(await ask("/static/app.js", {}, "HEAD")).to.include({ status: 200, body: "" });
  });

  it("tries its maps in their order, and maps single files", async () => {
    expect((await ask("/static/style/base.css")).body).to.equal("blue");
    expect((await ask("/favicon.ico")).body).to.equal("icon");
    expect((await ask("/favicon.ico/x")).body).to.contain("the application");
  });

  it("answers 304 by ETag and by date, and ranges", async () => {
    const { headers } = await ask("/static/app.js");
    expect(await ask("/static/app.js", { "if-none-match": headers["etag"]! })).to.include({
      status: 304,
      body: "",
    });
    expect(await ask("/static/app.js", { "if-modified-since": headers["last-modified"]! })).to.include({
      status: 304,
    });
    const range = await ask("/static/app.js", { range: "bytes=4-4" });
    expect(range).to.include({ status: 206, body: "a" });
    expect(range.headers["content-range"]).to.equal("bytes 4-4/11");
    const none = await ask("/static/app.js", { range: "bytes=50-60" });
    expect(none.status).to.equal(416);
    expect(none.headers["content-range"]).to.equal("bytes */11");
    expect(await ask("/static/app.js", { range: "bytes=0-2", "if-range": '"other"' })).to.include({
      status: 200,
    });
  });

  it("sends the compressed sibling to those who take it, and never an outdated one", async () => {
    const brotli = await ask("/static/plain.css", { "accept-encoding": "gzip, br" });
    expect(brotli.headers).to.include({
      "content-encoding": "br",
      "content-type": "text/css; charset=utf-8",
      vary: "accept-encoding",
    });
    const zipped = await ask("/static/plain.css", { "accept-encoding": "gzip, br;q=0" });
    expect(zipped.headers["content-encoding"]).to.equal("gzip");
    expect(zipped.headers["etag"]).to.not.equal(brotli.headers["etag"]);
    const plain = await ask("/static/plain.css");
    expect(plain.body).to.equal(style);
    expect(plain.headers)
      .to.include({ vary: "accept-encoding" })
      .and.to.not.have.property("content-encoding");
    expect((await ask("/static/plain.css", { "accept-encoding": "gzip", range: "bytes=0-3" })).body).to.equal(
      "body",
    );
    expect((await ask("/static/old.css", { "accept-encoding": "gzip" })).body).to.equal(style);
  });

  it("serves a folder by its index only, under the address that ends with a slash", async () => {
    expect((await ask("/static/docs/")).body).to.equal("<p>index</p>");
    const moved = await ask("/static/docs?a=b");
    expect([moved.status, moved.headers["location"]]).to.deep.equal([301, "/static/docs/?a=b"]);
    expect((await ask("/static/bare/")).body).to.contain("the application");
    expect((await ask("/static")).body).to.contain("the application");
  });

  it("lets nobody out of its folder, nor into hidden files", async () => {
    expect(await ask("/static/inside.js")).to.include({ status: 200 });
    for (const path of ["/static/escape.txt", "/static/up/secret.txt"])
      expect(await ask(path)).to.include({ status: 403, body: "Forbidden\n" });
    for (const path of [
      "/static/../secret.txt",
      "/static/%2e%2e/secret.txt",
      "/static/..%2fsecret.txt",
      "/static/docs/..%2f..%2fsecret.txt",
      "/static/%2fetc%2fpasswd",
      "/static//etc/passwd",
      "/static/.git/config",
      "/static/a%00.txt",
      "/static/%ff",
      "/static/..%5c..%5csecret.txt",
    ]) {
      const { body } = await ask(path);
      expect(body, path).to.contain("the application at");
    }
  });

  it("answers other requests while large files are downloaded", async () => {
    const downloads = Array.from({ length: 4 }, () => {
      const socket = tier.dial("http");
      socket.write("GET /static/huge.bin HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
      let bytes = 0;
      socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
      return { socket, bytes: () => bytes };
    });
    for (const { socket } of downloads) await new Promise((resolve) => socket.once("data", resolve));
    let answered = 0;
    while (answered < 25 && downloads.every(({ socket }) => !socket.closed)) {
      await ask("/api");
      answered += 1;
    }
    const loaded = downloads.map(({ bytes }) => bytes());
    for (const { socket } of downloads) socket.destroy();
    expect(answered).to.equal(25);
    for (const bytes of loaded) expect(bytes).to.be.within(1, 2 * 1024 ** 3 - 1);
  });

  it("does not start with a folder that does not exist", () => {
    expect(() => staticMap([{ mount: "/x", path: "/nowhere" }])).to.throw(
      "static-map /x=/nowhere: there is no such",
    );
  });
});
