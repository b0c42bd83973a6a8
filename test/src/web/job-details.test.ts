import { expect } from "chai";
import { must, paste, apiClient, submit, type ApiClient } from "../support/api-client.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";

describe("the details of a job", function () {
  this.timeout(120_000);
  let galaxy: Galaxy;
  let client: ApiClient;
  before(async () => {
    galaxy = await startGalaxy();
    client = apiClient(galaxy.address);
  });
  after(() => galaxy?.stop());

  it("show its parameters with their labels, nested, and its datasets by name", async () => {
    const first = await paste(client, "one\n", "first");
    const second = await paste(client, "two\n", "second");
    const { job, outputs } = await submit(client, "cat1", {
      input1: { src: "hda", id: first },
      queries: [{ input2: { src: "hda", id: second } }],
    });
    const shown = await must(client(`/api/jobs/${job}/parameters_display`));
    expect(shown.parameters).to.deep.equal([
      { text: "Concatenate", depth: 1, value: [{ src: "hda", id: first, hid: 1, name: "first" }] },
      { text: "More datasets 1", depth: 1, value: "" },
      { text: "Then", depth: 2, value: [{ src: "hda", id: second, hid: 2, name: "second" }] },
    ]);
    expect(shown.has_parameter_errors).to.equal(false);
    expect(shown.outputs.out_file1[0].value).to.deep.equal({ src: "hda", id: outputs[0] });
  });

  it("show the parameters of a conditional by its choice", async () => {
    const input = await paste(client, "one\ntwo\n");
    const { job } = await submit(client, "random_lines1", {
      num_lines: 1,
      input: { src: "hda", id: input },
      "seed_source|seed_source_selector": "set_seed",
      "seed_source|seed": "asdf",
    });
    const { parameters } = await must(client(`/api/jobs/${job}/parameters_display`));
    expect(
      parameters.map(({ depth, value }: any) => (Array.isArray(value) ? depth : `${depth} ${value}`)),
    ).to.deep.equal(["1 1", 1, "1 set_seed", "2 asdf"]);
  });

  it("name what is often wrong: an empty input, one that is given twice", async () => {
    const empty = await paste(client, "");
    const full = await paste(client, "x\n");
    const problems = async (input1: string, input2: string) => {
      const { job } = await submit(client, "cat1", {
        input1: { src: "hda", id: input1 },
        queries: [{ input2: { src: "hda", id: input2 } }],
      });
      return must(client(`/api/jobs/${job}/common_problems`));
    };
    expect(await problems(empty, full)).to.deep.equal({
      has_empty_inputs: true,
      has_duplicate_inputs: false,
    });
    expect(await problems(full, full)).to.deep.equal({ has_empty_inputs: false, has_duplicate_inputs: true });
  });

  it("are enough to run it again: the search finds both runs, whatever the inputs' notation", async () => {
    const input = await paste(client, "one\ntwo\nthree\n");
    const { job } = await submit(client, "random_lines1", {
      num_lines: 2,
      input: { src: "hda", id: input },
      "seed_source|seed_source_selector": "set_seed",
      "seed_source|seed": "asdf",
    });
    const search = async (more: object = {}) => {
      const inputs = {
        seed_source: { seed: "asdf", seed_source_selector: "set_seed" },
        input: { src: "hda", id: input },
        num_lines: "2",
      };
      const found = await must(
        client("/api/jobs/search", { body: { tool_id: "random_lines1", inputs, ...more } }),
      );
      return found.map(({ id }: { id: string }) => id);
    };
    expect(await search()).to.deep.equal([job]);
    const again = await must(client(`/api/jobs/${job}/build_for_rerun`));
    const second = await submit(client, again.id, again.state_inputs);
    expect(await search()).to.deep.equal([second.job, job]);
    await galaxy.job(job, ["ok"]);
    await galaxy.job(second.job, ["ok"]);
    expect(await search({ state: "ok" })).to.have.length(2);
    expect(await search({ state: ["error", "deleted"] })).to.deep.equal([]);
    const elsewhere = await must(client("/api/histories", { body: { name: "elsewhere" } }));
    expect(await search({ history_id: elsewhere.id })).to.deep.equal([]);
    const other = { tool_id: "random_lines1", inputs: { num_lines: 3, input: { src: "hda", id: input } } };
    expect(await must(client("/api/jobs/search", { body: other }))).to.deep.equal([]);
    const faulty = await client("/api/jobs/search", { body: { tool_id: "random_lines1", inputs: {} } });
    expect(faulty.status).to.equal(400);
  });

  it("can be reported; without mail, in the words that Galaxy's clients look for", async () => {
    const { job, outputs } = await submit(client, "fail_with_code", { code: 1, message: "x" });
    const report = { body: { dataset_id: outputs[0], message: "it fails" } };
    expect(await must(client(`/api/jobs/${job}/error`, report))).to.deep.equal({
      messages: [
        [
          "An error occurred sending the report by email: Mail is not configured for this Galaxy instance",
          "danger",
        ],
      ],
    });
    await galaxy.web.line(/job\.reported.*it fails/);
  });

  it("are given to Python's clients too, which write True", async () => {
    const { job } = await submit(client, "sleep", { seconds: 0 });
    expect(await must(client(`/api/jobs/${job}?full=True`))).to.include.keys("params", "state_history");
    expect(await must(client(`/api/jobs/${job}?full=False`))).to.not.have.any.keys("params");
    const flat = await must(client("/api/tools?in_panel=False"));
    expect(flat.map(({ id }: { id: string }) => id)).to.include.members(["cat1", "upload1"]);
    const sections = await must(client("/api/tools?in_panel=True"));
    expect(sections[0].elems).to.have.length(flat.length);
    const chosen = await must(client("/api/tools?tool_id=cat1&tool_id=sort&tool_id=none"));
    expect(chosen.map(({ id }: { id: string }) => id).toSorted()).to.deep.equal(["cat1", "sort"]);
    expect(await must(client("/api/tools?tool_id=none"))).to.deep.equal([]);
  });
});
