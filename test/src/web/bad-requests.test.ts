import { expect } from "chai";
import {
  apiClient,
  must,
  paste,
  submit,
  type Answer,
  type ApiClient,
  type Asked,
} from "../support/api-client.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";

describe("requests that are wrong", function () {
  this.timeout(120_000);
  let galaxy: Galaxy;
  let client: ApiClient;
  let job: string;
  let dataset: string;
  let history: string;
  before(async () => {
    galaxy = await startGalaxy({ handlers: [], web: { "max-body-size": 10_000 } });
    client = apiClient(galaxy.address);
    dataset = await paste(client, "x");
    ({ job } = await submit(client, "sleep", { seconds: 0 }));
    history = (await must(client("/api/histories/most_recently_used"))).id;
  });
  after(() => galaxy?.stop());

  /** Every error has Galaxy's shape. */
  const refused = async (path: string, asked: Asked = {}): Promise<Answer> => {
    const answer = await client(path, asked);
    expect(answer.headers.get("content-type"), path).to.match(/^application\/json/);
    expect(answer.body.err_msg, path).to.be.a("string").and.not.equal("");
    expect(Math.floor(answer.body.err_code / 1000), path).to.equal(answer.status);
    return answer;
  };
  const run = (tool_id: unknown, inputs: unknown, more = {}) =>
    refused("/api/tools", { body: { tool_id, inputs, ...more } });

  const runs: [what: string, tool: unknown, inputs: unknown, status: number, words: RegExp, data?: object][] =
    [
      ["an unknown tool", "no such", {}, 404, /^Could not find tool with id 'no such'\.$/],
      ["a tool named like a property of objects", "__proto__", {}, 404, /Could not find tool/],
      ["a tool id that is no text", 7, {}, 400, /tool_id/],
      [
        "a number for a word",
        "sleep",
        { seconds: "soon" },
        400,
        /seconds: must be a number, not "soon"/,
        { seconds: 'must be a number, not "soon"' },
      ],
      ["a number out of its range", "sleep", { seconds: -1 }, 400, /seconds: must be at least 0/],
      ["a broken number", "sleep", { seconds: 1.5 }, 400, /whole number/],
      ["a missing input", "cat1", { queries: [] }, 400, /input1: is required/, { input1: "is required" }],
      [
        "an unknown input",
        "sleep",
        { secnods: 1 },
        400,
        /secnods: the tool has no such input; did you mean seconds\?/,
      ],
      ["a list for the inputs", "sleep", [], 400, /inputs/],
      ["a text for the inputs", "sleep", "seconds=1", 400, /inputs/],
      ["no dataset for data", "cat1", { input1: "x", queries: [] }, 400, /input1: must name a dataset/],
      [
        "a dataset's malformed id",
        "cat1",
        { input1: { src: "hda", id: "../x" }, queries: [] },
        400,
        /Malformed id \( \.\.\/x \)/,
      ],
      ["NUL in a text", "grep", { pattern: "a\0b" }, 400, /pattern: must not hold a NUL/],
      [
        "half a character in a text",
        "fail_with_code",
        { code: 0, message: "a\ud800b" },
        400,
        /message: must not hold half/,
      ],
    ];
  for (const [what, tool, inputs, status, words, data] of runs) {
    it(`${what}: ${status}, and the message says what`, async () => {
      const answer = await run(tool, inputs);
      expect(answer.status).to.equal(status);
      expect(answer.body.err_msg).to.match(words);
      if (data !== undefined) expect(answer.body.err_data).to.deep.equal(data);
    });
  }

  it("all faults of a body are named at once", async () => {
    const answer = await refused("/api/tools", { body: { tool_id: 1, history_id: "x", suprise: true } });
    for (const key of ["tool_id", "history_id", "suprise"]) expect(answer.body.err_msg).to.contain(key);
    expect((await run("cat1", { nope: 1 })).body.err_data).to.have.keys("input1", "nope");
  });

  it("malformed JSON, another type, no body, and too much of it", async () => {
    const sent = (body: string, type = "application/json") =>
      refused("/api/tools", { body, headers: { "content-type": type } });
    expect((await sent('{"tool_id": ')).body.err_msg).to.contain("the body is not valid JSON");
    expect((await sent("7")).status).to.equal(400);
    expect((await sent("null")).status).to.equal(400);
    expect((await sent('"cat1"')).status).to.equal(400);
    expect((await sent("[]")).status).to.equal(400);
    expect((await sent("tool_id=cat1", "application/x-www-form-urlencoded")).status).to.equal(415);
    expect((await sent("{}", "application/json; charset=klingon")).status).to.equal(415);
    expect((await refused("/api/tools", { method: "POST" })).body.err_msg).to.contain("tool_id");
    const large = await refused("/api/tools", { body: { tool_id: "x".repeat(20_000) } });
    expect(large.status).to.equal(413);
    const zipped = { body: "{}", headers: { "content-encoding": "klingon" } };
    expect((await refused("/api/tools", zipped)).status).to.equal(415);
  });

  it("ids that are malformed, made up, or name something of another kind", async () => {
    const places = (id: string) => [
      ...["", "/why", "/inputs", "/stdout", "/console_output"].map((part) => `/api/jobs/${id}${part}`),
      `/api/datasets/${id}`,
      `/api/datasets/${id}/display`,
      `/api/histories/${id}`,
      `/api/histories/${id}/contents`,
    ];
    for (const id of [
      "1",
      "x",
      "%00",
      "..%2f..%2fetc",
      "F".repeat(32),
      "0".repeat(32),
      "a".repeat(500),
      "🦄",
    ]) {
      for (const path of places(encodeURIComponent(decodeURIComponent(id)))) {
        const answer = await refused(path);
        expect({ status: answer.status, code: answer.body.err_code }, path).to.deep.equal({
          status: 400,
          code: 400_009,
        });
      }
    }
    for (const path of [
      `/api/jobs/${dataset}`,
      `/api/jobs/${history}`,
      `/api/datasets/${job}`,
      `/api/histories/${job}`,
      `/api/jobs?history_id=${job}`,
    ])
      expect((await refused(path)).body.err_code, path).to.equal(400_009);
    const foreign = { input1: { src: "hda", id: job }, queries: [] };
    expect((await run("cat1", foreign)).body.err_code).to.equal(400_009);
    expect((await run("sleep", { seconds: 0 }, { history_id: dataset })).body.err_code).to.equal(400_009);
  });

  it("ids of what is gone", async () => {
    const { sql } = galaxy.database;
    const made = await must(client("/api/histories", { body: { name: "gone" } }));
    await sql`delete from history where name = 'gone'`;
    const answer = await refused(`/api/histories/${made.id}`);
    expect({ status: answer.status, code: answer.body.err_code }).to.deep.equal({
      status: 404,
      code: 404_001,
    });
  });

  it("calls that there are not, and paths that cannot be read", async () => {
    for (const [path, method] of [
      ["/api/nothing", "GET"],
      ["/api/jobs", "POST"],
      ["/api/jobs/x/y/z", "GET"],
      ["/health/dead", "GET"],
    ] as const) {
      const answer = await refused(path, { method });
      expect({ status: answer.status, code: answer.body.err_code }, path).to.deep.equal({
        status: 404,
        code: 404_001,
      });
      expect(answer.body.err_msg).to.equal(`there is no ${method} ${path}`);
    }
    expect((await refused("/api/tools/%E0%A4%A")).status).to.equal(400);
  });

  it("queries with what is no number, no switch, no time, no text that the database could hold", async () => {
    for (const query of [
      "limit=-1",
      "limit=many",
      "limit=1001",
      "limit=",
      "limit=1&limit=2",
      "offset=-1",
      "offset=1e99",
      "offset=99999999999999999999",
      "state=done",
      "order_by=name",
      "view=everything",
      "user_details=perhaps",
      "date_range_min=yesterday",
      "date_range_max=2026-02-31T00:00:00",
      "date_range_max=0000-01-01",
      "date_range_min=+275760-09-13",
      "tool_id=%00",
      "tool_id_like=%25%5C",
      "search=%00",
      "search=colour:'red'",
      "workflow_id=0123456789abcdef",
      "sate=ok",
    ]) {
      const answer = await refused(`/api/jobs?${query}`);
      expect(answer.status, query).to.equal(400);
      expect(answer.body.err_msg, query).to.contain(query.split("=")[0]);
    }
    expect((await refused("/api/datasets?limit=0")).status).to.equal(400);
    expect((await refused(`/api/jobs/${job}/console_output?stdout_position=-1`)).status).to.equal(400);
    expect((await refused(`/api/jobs/${job}/console_output?stdout_length=99999999`)).status).to.equal(400);
    expect((await refused(`/api/jobs/${job}?full=perhaps`)).status).to.equal(400);
  });

  it("names that the database could not hold", async () => {
    for (const name of ["", "\0", "a\ud800", "n".repeat(256), 7])
      expect((await refused("/api/histories", { body: { name } })).status, JSON.stringify(name)).to.equal(
        400,
      );
    expect((await must(client("/api/histories", { body: { name: "ünïcødé 😀" } }))).name).to.equal(
      "ünïcødé 😀",
    );
    const faulty = { method: "DELETE", body: { message: "a\0" } };
    expect((await refused(`/api/jobs/${job}`, faulty)).status).to.equal(400);
  });

  it("leave no job behind, and none of them was an internal error", async () => {
    const jobs = await must(client("/api/jobs"));
    expect(jobs.map(({ tool_id }: any) => tool_id).toSorted()).to.deep.equal(["sleep", "upload1"]);
    expect(galaxy.web.lines.filter((line) => line.includes("web.error"))).to.deep.equal([]);
  });
});
