import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { missingForApache, startApache, type Apache } from "../support/apache.ts";
import { repository, startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";

describe("Galaxy behind Apache, by the sample of docs/proxy.md", function () {
  this.timeout(120_000);
  let folder: string;
  let galaxy: Galaxy;
  const apaches: Apache[] = [];

  before(async function () {
    const missing = missingForApache();
    if (missing.length > 0) {
      this.test!.title = `needs ${missing.join(", ")}`;
      this.skip();
    }
    folder = await traversableFolder("galaxy-test-behind-apache-");
    galaxy = await startGalaxy({
      handlers: [],
      web: {
        http: ["127.0.0.1:0", join(folder, "web.sock")],
        "uwsgi-socket": join(folder, "uwsgi.sock"),
        "chmod-socket": "666",
      },
      galaxy: { apache_xsendfile: true },
    });
  });
  after(async () => {
    for (const apache of apaches) await apache.stop();
    await galaxy?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  /** The sample with that word in it, with the paths of this test. */
  const sample = async (word: string): Promise<string> => {
    const text = await readFile(join(repository, "docs", "proxy.md"), "utf8");
    const found = [...text.matchAll(/```apache\n([^]*?)```/g)]
      .map(([, one]) => one!)
      .find((one) => one.includes(word));
    return found!
      .replaceAll("/srv/galaxy/database", join(galaxy.folder, "database"))
      .replaceAll("/run/galaxy", folder);
  };
  const start = async (word: string): Promise<(path: string, options?: RequestInit) => Promise<Response>> => {
    const apache = await startApache(await sample(word));
    apaches.push(apache);
    return (path, options) =>
      fetch(`http://127.0.0.1:${apache.port}${path}`, { signal: AbortSignal.timeout(30_000), ...options });
  };

  it("passes the page, the API and events on, and sends the files of datasets itself", async () => {
    const ask = await start("XSendFile");
    expect(await (await ask("/")).text()).to.match(/<script[^>]+src=/);
    const inputs = { "files_0|url_paste": "0123456789", "files_0|NAME": "a name", file_type: "txt" };
    const uploaded = await ask("/api/tools", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ tool_id: "upload1", inputs }),
    });
    expect(uploaded.status).to.equal(200);
    const { outputs } = (await uploaded.json()) as { outputs: { id: string }[] };
    const path = `/api/datasets/${outputs[0]!.id}/display`;
    const direct = await fetch(`${galaxy.address}${path}`);
    expect([direct.headers.has("x-sendfile"), await direct.text()]).to.deep.equal([true, ""]);
    const whole = await ask(path);
    expect(await whole.text()).to.equal("0123456789\n");
    expect(whole.headers.has("x-sendfile")).to.equal(false);
    expect(whole.headers.get("content-disposition")).to.match(
      /^attachment; filename="Galaxy1-\[a_name\]\.txt"/,
    );
    const part = await ask(path, { headers: { range: "bytes=2-4" } });
    expect([part.status, await part.text()]).to.deep.equal([206, "234"]);
    const stop = new AbortController();
    const events = await ask("/api/events", { signal: stop.signal });
    expect(events.headers.get("content-type")).to.match(/^text\/event-stream/);
    const first = await events.body!.getReader().read();
    expect(first.value!.length).to.be.greaterThan(0);
    stop.abort();
  });

  it("passes requests on over the uwsgi protocol", async () => {
    const ask = await start("uwsgi://");
    const version = await ask("/api/version");
    expect([version.status, ((await version.json()) as any).extra.server]).to.deep.equal([
      200,
      "galaxy-jobs",
    ]);
    const written = await ask("/api/histories", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "over uwsgi" }),
    });
    expect(((await written.json()) as any).name).to.equal("over uwsgi");
  });
});
