import { expect } from "chai";
import { apiClient, must, rawRequest, type ApiClient } from "../support/api-client.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";

describe("downloads", function () {
  this.timeout(120_000);
  let galaxy: Galaxy;
  let client: ApiClient;
  before(async () => {
    galaxy = await startGalaxy({ handlers: [] });
    client = apiClient(galaxy.address);
  });
  after(() => galaxy?.stop());

  const dataset = async (content: string, file_type: string, name = "data") => {
    const inputs = { "files_0|url_paste": content, "files_0|NAME": name, file_type };
    const { outputs } = await must(client("/api/tools", { body: { tool_id: "upload1", inputs } }));
    return outputs[0] as { id: string; history_id: string; hid: number };
  };

  it("answer ranges with 206, and one outside of the file with 416 and its length", async () => {
    const { id } = await dataset("0123456789", "txt");
    const range = (value: string) => client(`/api/datasets/${id}/display`, { headers: { range: value } });
    for (const [asked, text, content] of [
      ["bytes=2-4", "234", "bytes 2-4/11"],
      ["bytes=8-", "89\n", "bytes 8-10/11"],
      ["bytes=-3", "89\n", "bytes 8-10/11"],
    ] as const) {
      const answer = await range(asked);
      expect(answer.status, asked).to.equal(206);
      expect(answer.text, asked).to.equal(text);
      expect(answer.headers.get("content-range"), asked).to.equal(content);
    }
    const outside = await range("bytes=100-200");
    expect(outside.status).to.equal(416);
    expect(outside.headers.get("content-range")).to.equal("bytes */11");
    expect(outside.headers.get("content-type")).to.contain("application/json");
    expect(outside.body.err_code).to.equal(416_001);
    const whole = await client(`/api/datasets/${id}/display`);
    expect(whole.headers.get("accept-ranges")).to.equal("bytes");
    expect(whole.headers.get("content-length")).to.equal("11");
    const etag = whole.headers.get("etag")!;
    const again = await rawRequest(galaxy.address, `/api/datasets/${id}/display`, {
      headers: { "if-none-match": etag },
    });
    expect(again.status).to.equal(304);
    const head = await client(`/api/datasets/${id}/display`, { method: "HEAD" });
    expect(head.headers.get("content-length")).to.equal("11");
  });

  it("are shown by a browser only where that is asked for and can do no harm", async () => {
    const types: [extension: string, type: string, inline: boolean][] = [
      ["txt", "text/plain; charset=utf-8", true],
      ["tabular", "text/plain; charset=utf-8", true],
      ["json", "application/json; charset=utf-8", true],
      ["png", "image/png", true],
      ["html", "application/octet-stream", false],
      ["svg", "application/octet-stream", false],
      ["xml", "application/octet-stream", false],
      ["pdf", "application/octet-stream", false],
      ["no.such-type", "application/octet-stream", false],
    ];
    for (const [extension, type, inline] of types) {
      const { id } = await dataset("<script>alert(1)</script>", extension);
      const plain = await client(`/api/datasets/${id}/display`);
      const preview = await client(`/api/datasets/${id}/display?preview=True`);
      expect(plain.headers.get("content-disposition"), extension).to.match(/^attachment; /);
      const shown = inline ? /^inline; / : /^attachment; /;
      expect(preview.headers.get("content-disposition"), extension).to.match(shown);
      for (const { headers } of [plain, preview]) {
        expect(headers.get("content-type"), extension).to.equal(type);
        expect(headers.get("x-content-type-options"), extension).to.equal("nosniff");
        expect(headers.get("content-security-policy"), extension).to.equal("sandbox; default-src 'none'");
        expect(headers.get("cache-control"), extension).to.contain("private");
      }
    }
  });

  it("are found under their own history only", async () => {
    const { id, history_id } = await dataset("x", "txt");
    const other = await must(client("/api/histories", { body: { name: "other" } }));
    expect((await client(`/api/histories/${history_id}/contents/${id}/display`)).text).to.equal("x\n");
    expect((await client(`/api/histories/${other.id}/contents/${id}/display`)).status).to.equal(404);
  });

  it("of what is not there yet, or no more, say so", async () => {
    const { jobs, outputs } = await must(
      client("/api/tools", { body: { tool_id: "sleep", inputs: { seconds: 1 } } }),
    );
    const early = await client(`/api/datasets/${outputs[0].id}/display`);
    expect({ status: early.status, code: early.body.err_code }).to.deep.equal({ status: 409, code: 409_001 });
    await must(client(`/api/jobs/${jobs[0].id}`, { method: "DELETE" }));
    expect((await client(`/api/datasets/${outputs[0].id}/display`)).status).to.equal(409);
    const { id } = await dataset("x", "txt");
    const deleted = await must(client(`/api/datasets/${id}`, { method: "DELETE" }));
    expect(deleted).to.include({ deleted: true, purged: false });
    expect((await client(`/api/datasets/${id}/display`)).status).to.equal(200);
    const purged = await must(client(`/api/datasets/${id}`, { method: "DELETE", body: { purge: true } }));
    expect(purged).to.include({ deleted: true, purged: true });
    expect((await client(`/api/datasets/${id}/display`)).status).to.equal(404);
    expect(await must(client(`/api/datasets/${id}`, { method: "DELETE" }))).to.include({ purged: true });
  });

  it("that nobody wants any more end the job that would make them", async () => {
    const sleep = { body: { tool_id: "sleep", inputs: { seconds: 600 } } };
    const { jobs, outputs } = await must(client("/api/tools", sleep));
    const gone = await must(client(`/api/datasets/${outputs[0].id}`, { method: "DELETE" }));
    expect(gone).to.include({ deleted: true, state: "discarded" });
    const job = await must(client(`/api/jobs/${jobs[0].id}`));
    expect(job).to.include({ state: "deleted", info: "Job output deleted by user before job completed." });
  });
});
