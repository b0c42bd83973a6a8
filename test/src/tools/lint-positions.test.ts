import { expect } from "chai";
import { formatFault } from "@galaxy-jobs/runtime";
import { ToolBox } from "@galaxy-jobs/tools";
import { parseTool } from "@galaxy-jobs/tools/lint";

const head = `class: GalaxyUserTool
id: probe
name: Probe
version: "1"
`;

/** Each fault as `line:column: key: message; remedy`. */
function faultsOf(text: string): string[] {
  const { tool, faults } = parseTool(text, "p.yml");
  expect(tool === undefined).to.equal(faults.length > 0);
  return faults.map((fault) => formatFault(fault).replace(/^p\.yml:/, ""));
}

describe("the linter of tools", () => {
  const cases: [what: string, text: string, faults: RegExp[]][] = [
    ["a syntax error", `${head}shell_command: "true\n`, [/^\d+:\d+: not valid YAML/]],
    ["a repeated key", `${head}shell_command: "true"\nname: x\n`, [/^6:1: name: .*twice/]],
    [
      "an unknown key",
      `${head}shel_command: "true"\n`,
      [/^1:1: shell_command: is required/, /^5:1: shel_command: unknown key; did you mean shell_command\?/],
    ],
    [
      "an unknown key of an input",
      `${head}shell_command: "true"\ninputs:\n  - name: a\n    type: text\n    labl: A\n`,
      [/^9:5: inputs\[0\]\.labl: unknown key/],
    ],
    [
      "an unknown type",
      `${head}shell_command: "true"\ninputs:\n  - name: a\n    type: txt\n`,
      [/^8:5: inputs\[0\]\.type: /],
    ],
    [
      "a version that is a number",
      `${head.replace('"1"', "1.0")}shell_command: "true"\n`,
      [/^4:1: version: .*quotes|^4:1: version: expected string/],
    ],
    [
      "two inputs of one name",
      `${head}shell_command: "true"\ninputs:\n  - { name: a, type: text }\n  - { name: a, type: text }\n`,
      [/^8:7: inputs\[1\]\.name: there are two inputs named a; rename one/],
    ],
    [
      "an undeclared input",
      `${head}shell_command: |\n  true\n    echo '$(inputs.b)' '$(inputs.c)'\n`,
      [/^7:11: shell_command: .*inputs\.b,/, /^7:25: shell_command: .*inputs\.c,/],
    ],
    [
      "an expression without an end",
      `${head}shell_command: |\n  true\n  echo '$(1 + (2)'\n`,
      [/^7:18: shell_command: .*no end/],
    ],
    [
      "an unsafe place",
      `${head}shell_command: |\n  true $(1)\n  echo \`echo $(1)\`\n`,
      [/^7:14: shell_command: .*cannot be inserted safely/],
    ],
    [
      "an output outside",
      `${head}shell_command: "true"\noutputs:\n  - name: o\n    type: data\n    from_work_dir: ../x\n`,
      [/^9:5: outputs\[0\]\.from_work_dir: must lie inside/],
    ],
    [
      "a bad regular expression",
      `${head}shell_command: "true"\ninputs:\n  - name: a\n    type: text\n    validators:\n      - type: regex\n        expression: "("\n`,
      [/^11:9: inputs\[0\]\.validators\[0\]\.expression: is no regular/],
    ],
    [
      "a default out of range",
      `${head}shell_command: "true"\ninputs:\n  - name: a\n    type: integer\n    min: 1\n    value: 0\n`,
      [/^10:5: inputs\[0\]\.value: /],
    ],
    [
      "two options of one value",
      `${head}shell_command: "true"\ninputs:\n  - name: a\n    type: select\n    options:\n      - value: x\n      - value: x\n`,
      [/^11:9: inputs\[0\]\.options\[1\]\.value: /],
    ],
    [
      "two config files of one name",
      `${head}shell_command: "true"\nconfigfiles:\n  - { filename: x, content: a }\n  - { filename: x, content: b }\n`,
      [/^8:7: configfiles\[1\]\.filename: /],
    ],
    ["a NUL character", `${head}shell_command: "true \\0"\n`, [/^5:1: shell_command: .*NUL/]],
    ["a file that is no map", "- 1\n", [/^1:1: /]],
    ["an empty file", "", [/./]],
  ];
  for (const [what, text, expected] of cases) {
    it(`says where ${what} stands`, () => {
      const faults = faultsOf(text);
      expect(faults, faults.join("\n")).to.have.length(expected.length);
      for (const [index, pattern] of expected.entries()) expect(faults[index]).to.match(pattern);
    });
  }

  it("names all faults at once, of the file's shape and of its meaning, in the file's order", () => {
    const text = `class: GalaxyUserTool
id: Bad Id
name: Probe
version: "1"
colour: red
shell_command: echo '$(inputs.z)'
inputs:
  - { name: a, type: text, lable: A }
  - { name: a, type: text }
outputs:
  - { name: o, type: data, from_work_dir: /etc/passwd }
`;
    const faults = faultsOf(text);
    expect(faults.map((fault) => fault.split(":")[0])).to.deep.equal(["2", "5", "6", "8", "9", "11"]);
  });

  it("says where the second of two tools with one id and version stands", () => {
    const tools = ["one.yml", "two.yml"].map(
      (file) => parseTool(`${head}shell_command: "true"\n`, file).tool!,
    );
    const { faults } = new ToolBox(tools);
    expect(faults.map((fault) => formatFault(fault))).to.deep.equal([
      "two.yml:2:1: id: probe 1 is already defined in one.yml; change its id or version",
    ]);
  });
});
