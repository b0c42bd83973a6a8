import { readdir, stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { apiClient, must, type ApiClient } from "../support/api-client.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { until } from "../support/until.ts";

const limit = 200_000;

describe("uploads as a form", function () {
  this.timeout(120_000);
  let galaxy: Galaxy;
  let client: ApiClient;
  before(async () => {
    galaxy = await startGalaxy({
      handlers: [],
      web: { "max-upload-size": limit, "max-body-size": 20_000 },
    });
    client = apiClient(galaxy.address);
  });
  after(() => galaxy?.stop());

  /** What lies in the folder of uploads in progress; it is made at the first. */
  const inProgress = async () =>
    (await readdir(galaxy.folder, { recursive: true })).filter((name) =>
      /(^|\/)upload-[0-9a-f-]{36}$/.test(name),
    );
  const datasetFiles = async () =>
    (await readdir(galaxy.folder, { recursive: true })).filter((name) =>
      /dataset_[0-9a-f-]{36}\.dat$/.test(name),
    );
  const form = (
    fields: Record<string, string>,
    ...files: [field: string, content: string, name: string][]
  ) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    for (const [field, content, name] of files) body.append(field, new Blob([content]), name);
    return { body };
  };
  const upload = (...files: [string, string, string][]) =>
    client(
      "/api/tools",
      form({ tool_id: "upload1", inputs: JSON.stringify({ file_type: "txt" }) }, ...files),
    );

  it("make a dataset of each file, with its bytes", async () => {
    const { outputs, jobs } = await must(
      upload(["files_0|file_data", "one\n", "one.txt"], ["files_1|file_data", "", "empty.txt"]),
    );
    expect(outputs.map(({ name, state, file_size }: any) => ({ name, state, file_size }))).to.deep.equal([
      { name: "one.txt", state: "ok", file_size: 4 },
      { name: "empty.txt", state: "empty", file_size: 0 },
    ]);
    expect(jobs[0]).to.include({ tool_id: "upload1", state: "ok" });
    expect((await client(`/api/datasets/${outputs[0].id}/display`)).text).to.equal("one\n");
    expect(await inProgress()).to.deep.equal([]);
  });

  it("a file named like a data input becomes that input", async () => {
    const run = form({ tool_id: "cat1", inputs: '{"queries": []}' }, ["input1", "text\n", "in.txt"]);
    const { jobs } = await must(client("/api/tools", run));
    const inputs = await must(client(`/api/jobs/${jobs[0].id}/inputs`));
    expect(inputs.map(({ name }: any) => name)).to.deep.equal(["input1"]);
    expect((await client(`/api/datasets/${inputs[0].dataset.id}/display`)).text).to.equal("text\n");
  });

  it("of a run that cannot be leave no dataset", async () => {
    const before = await must(client("/api/datasets"));
    const files = await datasetFiles();
    const faulty = form({ tool_id: "cat1", inputs: '{"quieries": []}' }, ["input1", "text\n", "in.txt"]);
    const answer = await client("/api/tools", faulty);
    expect(answer.status).to.equal(400);
    expect(answer.body.err_msg).to.contain("did you mean queries?");
    const queries = [{ input2: { src: "hda", id: "0".repeat(32) } }];
    const dangling = form({ tool_id: "cat1", inputs: JSON.stringify({ queries }) }, [
      "input1",
      "text\n",
      "in.txt",
    ]);
    expect((await client("/api/tools", dangling)).body.err_code).to.equal(400_009);
    expect(await must(client("/api/datasets"))).to.deep.equal(before);
    expect(await datasetFiles()).to.deep.equal(files);
    expect(await inProgress()).to.deep.equal([]);
  });

  it("that are too large, too many, or in the wrong place are refused and leave nothing behind", async () => {
    const before = await must(client("/api/datasets"));
    const many = Array.from({ length: 101 }, (_, index): [string, string, string] => [
      `files_${index}|file_data`,
      "x",
      "x",
    ]);
    const refused: [string, number, RegExp, ReturnType<typeof upload>][] = [
      [
        "large",
        413,
        /200000 bytes \(max-upload-size\)/,
        upload(["files_0|file_data", "x".repeat(limit + 1), "big"]),
      ],
      ["many", 413, /more than 100 files/, upload(...many)],
      [
        "field",
        413,
        /the field inputs is larger/,
        client("/api/tools", form({ tool_id: "upload1", inputs: "x".repeat(30_000) })),
      ],
      ["name", 400, /n{20}/, client("/api/tools", form({ ["n".repeat(1_200)]: "" }))],
      ["place", 400, /belongs in files_0\|file_data/, upload(["file", "x", "x"])],
      [
        "type",
        400,
        /file_type/,
        client(
          "/api/tools",
          form({ tool_id: "upload1", inputs: '{"file_type": "../x"}' }, ["files_0|file_data", "x", "x"]),
        ),
      ],
      [
        "json",
        400,
        /inputs: is not valid JSON/,
        client("/api/tools", form({ tool_id: "upload1", inputs: "{" })),
      ],
      ["list", 400, /inputs/, client("/api/tools", form({ tool_id: "upload1", inputs: "[]" }))],
      ["unknown", 400, /quieries/, client("/api/tools", form({ tool_id: "cat1", quieries: "" }))],
      ["nothing", 400, /nothing to upload/, client("/api/tools", form({ tool_id: "upload1" }))],
      [
        "boundary",
        400,
        /form cannot be read/,
        client("/api/tools", { body: "x", headers: { "content-type": "multipart/form-data" } }),
      ],
      [
        "cut",
        400,
        /form cannot be read/,
        client("/api/tools", {
          body: '--B\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhalf',
          headers: { "content-type": "multipart/form-data; boundary=B" },
        }),
      ],
    ];
    for (const [what, status, words, asked] of refused) {
      const answer = await asked;
      expect(answer.status, what).to.equal(status);
      expect(answer.body.err_msg, what).to.match(words);
      expect(Math.floor(answer.body.err_code / 1000), what).to.equal(status);
    }
    expect(await inProgress()).to.deep.equal([]);
    expect(await must(client("/api/datasets"))).to.deep.equal(before);
  });

  it("stream to disk as they come, and leave nothing behind when the client goes away", async () => {
    const { hostname, port } = new URL(galaxy.address);
    const socket = connect(Number(port), hostname);
    const head = `--B\r\nContent-Disposition: form-data; name="files_0|file_data"; filename="slow"\r\n\r\n`;
    socket.write(
      `POST /api/tools HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: ${limit}\r\n\r\n${head}${"x".repeat(150_000)}`,
    );
    const written = await until(
      async () => {
        const [name] = await inProgress();
        if (name === undefined) return undefined;
        const { size } = await stat(join(galaxy.folder, name));
        return size > 100_000 ? size : undefined;
      },
      { what: "the first part to be on disk", deadline: 20_000 },
    );
    expect(written).to.be.at.most(150_000);
    socket.destroy();
    await until(async () => (await inProgress()).length === 0, {
      what: "the aborted upload to be removed",
      deadline: 20_000,
    });
    expect((await client("/api/version")).status).to.equal(200);
  });

  const names: [sent: string, kept: string][] = [
    ["../../etc/passwd", "passwd"],
    ["..\\..\\windows\\system.ini", "system.ini"],
    ["/etc/passwd", "passwd"],
    ["..", "Unnamed dataset"],
    ["-rf", "-rf"],
    // A browser writes a quote in a form like that.
    [`it's "quoted" $(id) \`id\``, `it's %22quoted%22 $(id) \`id\``],
    ["ünïcødé 漢字 😀.txt", "ünïcødé 漢字 😀.txt"],
    ["n".repeat(300), "n".repeat(255)],
    [`${"😀".repeat(300)}.txt`, "😀".repeat(255)],
  ];
  for (const [sent, kept] of names) {
    it(`keep the name ${JSON.stringify(sent.slice(0, 30))} as one that can do no harm`, async () => {
      const { outputs } = await must(upload(["files_0|file_data", "x", sent]));
      expect(outputs[0].name).to.equal(kept);
      const { headers, text } = await client(`/api/datasets/${outputs[0].id}/display`);
      expect(text).to.equal("x");
      const disposition = headers.get("content-disposition")!;
      expect(disposition).to.match(
        /^attachment; filename="[A-Za-z0-9._[\]-]+"; filename\*=UTF-8''[A-Za-z0-9%._~!-]+$/,
      );
      const exact = decodeURIComponent(disposition.split("filename*=UTF-8''")[1]!);
      expect(exact).to.equal(`Galaxy${outputs[0].hid}-[${kept}].txt`);
    });
  }

  it("keep a name with NUL, newline or other control characters as one line of text", async () => {
    const name = `a\0b\nc\rd\x1b[31m "'`;
    const pasted = { tool_id: "upload1", inputs: { "files_0|url_paste": "x", "files_0|NAME": name } };
    const { outputs } = await must(client("/api/tools", { body: pasted }));
    expect(outputs[0].name).to.equal(`a b c d [31m "'`);
    const raw = [
      "--B",
      `Content-Disposition: form-data; name="tool_id"`,
      "",
      "upload1",
      "--B",
      `Content-Disposition: form-data; name="files_0|file_data"; filename="x\0y.txt"`,
      "",
      "content",
      "--B--",
      "",
    ].join("\r\n");
    const sent = await client("/api/tools", {
      body: raw,
      headers: { "content-type": "multipart/form-data; boundary=B" },
    });
    if (sent.status === 200) expect(sent.body.outputs[0].name).to.match(/^[^\0\n]+$/);
    else expect(sent.status).to.equal(400);
  });

  it("as pasted text have Galaxy's line ends", async () => {
    const inputs = { "files_0|url_paste": "a b\r\nc\rd", "files_0|space_to_tab": "Yes" };
    const { outputs } = await must(client("/api/tools", { body: { tool_id: "upload1", inputs } }));
    expect(outputs[0]).to.include({ name: "Pasted Entry", genome_build: "?" });
    expect((await client(`/api/datasets/${outputs[0].id}/display`)).text).to.equal("a\tb\nc\nd\n");
  });
});
