import { readFileSync } from "node:fs";
import { expect } from "chai";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { hasNginx, startNginx, type Nginx } from "../support/nginx.ts";

describe("Downloads that nginx sends", function () {
  this.timeout(120_000);
  let galaxy: Galaxy;
  let nginx: Nginx;
  let path: string;

  before(async function () {
    if (!hasNginx()) {
      this.test!.title = "needs nginx";
      this.skip();
    }
    galaxy = await startGalaxy({
      handlers: [],
      galaxy: { nginx_x_accel_redirect_base: "/_x_accel_redirect/" },
    });
    nginx = await startNginx({
      server: `
    location /_x_accel_redirect/ { internal; alias /; }
    location / { proxy_pass ${galaxy.address}; proxy_set_header Host $http_host; }`,
    });
    const inputs = { "files_0|url_paste": "0123456789", "files_0|NAME": "a name", file_type: "txt" };
    const { outputs } = await galaxy.api("/api/tools", { body: { tool_id: "upload1", inputs } });
    path = `/api/datasets/${outputs[0].id}/display`;
  });
  after(async () => {
    await nginx?.stop();
    await galaxy?.stop();
  });

  const ask = (asked: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${nginx.port}${asked}`, { headers, signal: AbortSignal.timeout(20_000) });

  it("come whole, with our headers, and without a word of where the file is", async () => {
    const answer = await ask(path);
    expect(answer.status).to.equal(200);
    expect(await answer.text()).to.equal("0123456789\n");
    expect(answer.headers.get("content-disposition")).to.match(
      /^attachment; filename="Galaxy1-\[a_name\]\.txt"/,
    );
    expect(answer.headers.get("content-length")).to.equal("11");
    expect(answer.headers.has("x-accel-redirect")).to.equal(false);
  });

  it("come in ranges", async () => {
    const answer = await ask(path, { range: "bytes=2-4" });
    expect([answer.status, await answer.text()]).to.deep.equal([206, "234"]);
  });

  it("are not sent through Node", async () => {
    const direct = await fetch(`${galaxy.address}${path}`);
    const told = direct.headers.get("x-accel-redirect")!;
    expect(await direct.text()).to.equal("");
    expect(told).to.match(/^\/_x_accel_redirect\/.*\/objects\//);
    expect(readFileSync(told.slice("/_x_accel_redirect".length), "utf8")).to.equal("0123456789\n");
    // What the header names is for nginx alone.
    expect((await ask(told)).status).to.equal(404);
  });

  it("are not handed over where a browser is to show them, since nginx drops what makes that safe", async () => {
    const answer = await ask(`${path}?preview=true`);
    expect(await answer.text()).to.equal("0123456789\n");
    expect(answer.headers.get("content-disposition")).to.match(/^inline/);
    expect(answer.headers.get("content-security-policy")).to.match(/^sandbox/);
    expect(answer.headers.get("x-content-type-options")).to.equal("nosniff");
  });

  it("are refused to others as before", async () => {
    const answer = await ask(path.replace(/[0-9a-f]{16,}/, "00000000000000000000000000000000"));
    expect(answer.status).to.be.oneOf([400, 404]);
    expect(answer.headers.get("content-type")).to.contain("json");
  });
});
