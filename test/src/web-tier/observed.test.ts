import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { patience, startTree, type WebTree } from "../support/web-tree.ts";

describe("a web tier of several processes, looked at from outside", function () {
  this.timeout(3 * patience);
  let tree: WebTree;
  before(async () => {
    const folder = await traversableFolder("galaxy-test-static-");
    await writeFile(join(folder, "secret"), "hunter2\n");
    const files = join(folder, "public");
    await mkdir(join(files, "css"), { recursive: true });
    await writeFile(join(files, "css", "site.css"), "body { color: teal }\n");
    await writeFile(join(files, "index.html"), "<h1>welcome</h1>\n");
    tree = await startTree({
      web: {
        processes: 2,
        mule: "handler",
        farm: "job-handlers:1",
        stats: "127.0.0.1:0",
        "static-map": `/static=${files}`,
        "static-index": "index.html",
      },
    });
    await tree.whole();
  });
  after(() => tree?.stop());

  it("tells its statistics on the socket of the option stats, in uWSGI's form", async () => {
    const [, address] = await tree.master.line(/web\.stats .*address=\S*?127\.0\.0\.1:(\d+)/);
    await fetch(`${tree.address}/api/version`);
    const stats = await until(
      async () => {
        const found = await readAll(Number(address));
        return found.workers.some(({ requests }: { requests: number }) => requests > 0) ? found : undefined;
      },
      { what: "a worker to have told of its request" },
    );
    expect(stats.pid).to.equal(tree.master.child.pid);
    expect(stats.workers).to.have.length(2);
    for (const worker of stats.workers) {
      expect(worker.status).to.be.oneOf(["idle", "busy"]);
      expect(worker.pid).to.be.a("number");
    }
    expect(stats.sockets).to.have.length(1);
  });

  it("has the metrics of all its processes in one answer, whichever worker is asked", async () => {
    for (let time = 0; time < 4; time += 1) {
      const text = await (
        await fetch(`${tree.address}/metrics`, { headers: { connection: "close" } })
      ).text();
      for (const name of ["main", "main.web.1", "main.web.2", "main.job-handlers.1"])
        expect(text).to.match(
          new RegExp(`^galaxy_process_resident_memory_bytes\\{process="${name}"\\} [1-9]\\d+$`, "m"),
        );
      expect(text).to.match(/^galaxy_farm_messages_waiting\{farm="job-handlers"\} 0$/m);
      expect(text).to.match(/^process_cpu_seconds_total /m);
    }
  });

  it("serves the files of static-map before the application", async () => {
    const css = await fetch(`${tree.address}/static/css/site.css`);
    expect(css.status).to.equal(200);
    expect(css.headers.get("content-type")).to.match(/^text\/css/);
    expect(await css.text()).to.equal("body { color: teal }\n");
    const again = await fetch(`${tree.address}/static/css/site.css`, {
      // Without it, fetch asks for no cached answer.
      headers: { "if-none-match": css.headers.get("etag")!, "cache-control": "max-age=0" },
    });
    expect(again.status).to.equal(304);
    expect(await (await fetch(`${tree.address}/static/`)).text()).to.equal("<h1>welcome</h1>\n");
    for (const path of ["/static/../secret", "/static/%2e%2e/secret", "/static/..%2fsecret"]) {
      // As it is written: fetch would tidy it up.
      const [answer] = (await once(get(tree.address, { path }), "response")) as [IncomingMessage];
      const body = await answer.setEncoding("utf8").reduce((text: string, part: string) => text + part, "");
      expect(body, path).not.to.contain("hunter2");
    }
  });
});

async function readAll(port: number): Promise<any> {
  const socket = connect(port, "127.0.0.1");
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => parts.push(part));
  await once(socket, "end");
  return JSON.parse(Buffer.concat(parts).toString("utf8"));
}
