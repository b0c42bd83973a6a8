import { expect } from "chai";
import {
  buildCommand,
  checkInputs,
  ExpressionSandbox,
  mapDataReferences,
  type BuiltCommand,
  type FileValue,
} from "@galaxy-jobs/tools";
import { parseTool } from "@galaxy-jobs/tools/lint";

const data = (id: string) => ({ src: "hda", id });

describe("the examples of galaxy.md 7.6", function () {
  const sandbox = new ExpressionSandbox();
  after(() => sandbox.close());

  async function build(source: string, given: Record<string, unknown>): Promise<BuiltCommand> {
    const { tool, faults } = parseTool(source, "example.yml");
    expect(faults).to.deep.equal([]);
    const checked = checkInputs(tool!, given);
    if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
    const inputs = mapDataReferences(tool!, checked.inputs, ({ id }): FileValue => {
      const names = { basename: `${id}.dat`, nameroot: `${id}`, nameext: ".dat" };
      return { class: "File", path: `/data/${id}.dat`, ...names, size: 1, format: "txt", name: "it's" };
    });
    return buildCommand(tool!, inputs, sandbox);
  }

  it("A: one dataset in quotes", async () => {
    const source = `
class: GalaxyUserTool
id: bioblend_test_basecommand
version: 1.0.0
name: basecommand
container: busybox
shell_command: cat '$(inputs.input.path)' > output.txt
inputs:
  - { type: data, name: input, format: txt }
outputs:
  - { type: data, name: output, from_work_dir: output.txt }
`;
    expect((await build(source, { input: data("7") })).commandLine).to.equal(
      "cat '/data/7.dat' > output.txt",
    );
  });

  it("B: several datasets joined by an arrow function", async () => {
    const source = `
class: GalaxyUserTool
id: cat_user_defined
version: "0.1"
name: Concatenate Files
description: tail-to-head
container: busybox
shell_command: |
  cat $(inputs.datasets.map((input) => input.path).join(' ')) > output.txt
inputs:
  - name: datasets
    multiple: true
    type: data
outputs:
  - name: output1
    type: data
    format_source: datasets
    from_work_dir: output.txt
`;
    for (const datasets of [[data("7"), data("8")], { values: [data("7"), data("8")] }])
      expect((await build(source, { datasets })).commandLine).to.equal(
        "cat /data/7.dat /data/8.dat > output.txt\n",
      );
  });

  it("C: shell constructs around an expression", async () => {
    const source = `
class: GalaxyUserTool
id: remove_comments
version: "0.1"
name: Remove comments
container: quay.io/biocontainers/grep:3.4--hf43ccf4_4
shell_command: grep -v '^#' '$(inputs.input_file.path)' > output.txt || test "$?" = 1
inputs:
  - { name: input_file, type: data, format: [txt] }
outputs:
  - { name: output, type: data, format_source: input_file, from_work_dir: output.txt }
`;
    expect((await build(source, { input_file: data("7") })).commandLine).to.equal(
      `grep -v '^#' '/data/7.dat' > output.txt || test "$?" = 1`,
    );
  });

  it("D: a number and a dataset, written as JSON", async () => {
    const source = JSON.stringify({
      class: "GalaxyUserTool",
      id: "my-cool-tool",
      version: "0.1.0",
      name: "My cool tool",
      container: "quay.io/biocontainers/python:3.13",
      shell_command: "head -n '$(inputs.n_lines)' '$(inputs.data_input.path)' > out.txt",
      inputs: [
        { type: "integer", name: "n_lines" },
        { type: "data", name: "data_input" },
      ],
      outputs: [{ type: "data", name: "out", from_work_dir: "out.txt" }],
    });
    const given = { n_lines: 3, data_input: data("7") };
    expect((await build(source, given)).commandLine).to.equal("head -n '3' '/data/7.dat' > out.txt");
  });

  it("E: a shell script as a config file, and resources", async () => {
    const source = `
class: GalaxyUserTool
id: search_query
version: "0.1"
name: Search
container: busybox
requirements:
  - { type: resource, cores_min: 4 }
shell_command: sh run.sh
configfiles:
  - filename: run.sh
    content: |
      set -eu
      query='$(inputs.query.path)'
      search --threads "$GALAXY_SLOTS" "$query" > output.txt
inputs:
  - { name: query, type: data }
outputs:
  - { name: output, type: data, from_work_dir: output.txt }
`;
    expect(await build(source, { query: data("7") })).to.deep.equal({
      commandLine: "sh run.sh",
      configFiles: [
        {
          path: "run.sh",
          content: `set -eu\nquery='/data/7.dat'\nsearch --threads "$GALAXY_SLOTS" "$query" > output.txt\n`,
        },
      ],
    });
  });

  it("F: a text in quotes, whatever it holds", async () => {
    const source = `
class: GalaxyUserTool
id: echo_text
version: "0.1"
name: Echo text
container: busybox
shell_command: echo '$(inputs.text)' > output.txt
inputs:
  - { name: text, type: text }
outputs:
  - { name: output, type: data, from_work_dir: output.txt }
`;
    expect((await build(source, { text: "hello" })).commandLine).to.equal("echo 'hello' > output.txt");
    expect((await build(source, { text: "it's; id" })).commandLine).to.equal(
      String.raw`echo 'it'\''s; id' > output.txt`,
    );
  });

  it("config files that the command gives to a shell are shell scripts, others get results as they are", async () => {
    const source = `
class: GalaxyUserTool
id: config_files
version: "0.1"
name: Config files
shell_command: bash ./run && . settings
inputs:
  - { name: text, type: text }
configfiles:
  - { filename: run, content: "echo '$(inputs.text)'" }
  - { filename: settings, content: "value=$(inputs.text)" }
  - { filename: data.json, content: "{\\"text\\": $(JSON.stringify(inputs.text))}" }
  - { content: "plain $(inputs.text)" }
`;
    const { configFiles } = await build(source, { text: "it's; id" });
    expect(configFiles).to.deep.equal([
      { path: "run", content: String.raw`echo 'it'\''s; id'` },
      { path: "settings", content: String.raw`value='it'\''s; id'` },
      { path: "data.json", content: `{"text": "it's; id"}` },
      { path: "configfile_4", content: "plain it's; id" },
    ]);
  });
});
