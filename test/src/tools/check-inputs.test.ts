import { expect } from "chai";
import { checkInputs, type InputValues, type Tool } from "@galaxy-jobs/tools";
import { parseTool } from "@galaxy-jobs/tools/lint";

function toolWith(...inputs: object[]): Tool {
  const source = {
    class: "GalaxyUserTool",
    id: "probe",
    name: "Probe",
    version: "1",
    shell_command: "true",
    inputs,
  };
  const { tool, faults } = parseTool(JSON.stringify(source), "probe.yml");
  expect(faults).to.deep.equal([]);
  return tool!;
}

function accepted(tool: Tool, given: unknown): InputValues {
  const checked = checkInputs(tool, given);
  if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
  return checked.inputs;
}

function refused(tool: Tool, given: unknown): string[] {
  const checked = checkInputs(tool, given);
  return checked.ok
    ? []
    : checked.faults.map(({ key, message, remedy }) => [key, message, remedy].join(" | "));
}

const hda = (id: string) => ({ src: "hda", id });

/** An input, the values it takes with what they become (undefined: not given), and values it refuses. */
const types: [what: string, input: object, good: [unknown, unknown][], bad: unknown[]][] = [
  [
    "data",
    { type: "data" },
    [
      [hda("a"), hda("a")],
      [{ values: [hda("a")] }, hda("a")],
      [[hda("a")], hda("a")],
    ],
    [
      undefined,
      null,
      "",
      "a",
      1,
      {},
      [],
      { src: "ldda", id: "a" },
      { src: "hda", id: 1 },
      [hda("a"), hda("b")],
      [null],
    ],
  ],
  [
    "optional data",
    { type: "data", optional: true },
    [
      [undefined, null],
      [null, null],
      ["", null],
    ],
    ["a", {}],
  ],
  [
    "multiple data",
    { type: "data", multiple: true, max: 2 },
    [
      [
        [hda("a"), hda("b")],
        [hda("a"), hda("b")],
      ],
      [{ values: [hda("a")] }, [hda("a")]],
      [hda("a"), [hda("a")]],
    ],
    [undefined, null, [], { values: [] }, [hda("a"), null], [hda("a"), hda("b"), hda("c")], { values: 3 }],
  ],
  [
    "optional multiple data",
    { type: "data", multiple: true, optional: true },
    [
      [undefined, []],
      [null, []],
      [[], []],
    ],
    ["a"],
  ],
  [
    "text",
    { type: "text" },
    [
      [undefined, ""],
      ["", ""],
      ["it's", "it's"],
      [5, "5"],
      [true, "true"],
    ],
    ["a\0b", {}, ["a"]],
  ],
  [
    "text with a default",
    { type: "text", value: "x" },
    [
      [undefined, "x"],
      ["", ""],
      [null, "x"],
    ],
    [],
  ],
  [
    "optional text",
    { type: "text", optional: true },
    [
      [undefined, null],
      ["", ""],
      ["a", "a"],
    ],
    [{}],
  ],
  [
    "text of a length",
    { type: "text", validators: [{ type: "length", min: 2, max: 3 }] },
    [
      ["ab", "ab"],
      ["\u{1f600}\u{1f600}", "\u{1f600}\u{1f600}"],
    ],
    [undefined, "", "a", "abcd"],
  ],
  [
    "text of a pattern",
    { type: "text", validators: [{ type: "regex", expression: "[a-c]+$" }] },
    [["abc", "abc"]],
    ["", "abd", "ab\n"],
  ],
  [
    "text not of a pattern",
    { type: "text", validators: [{ type: "regex", expression: "x", negate: true }] },
    [["abc", "abc"]],
    ["xabc"],
  ],
  ["text not empty", { type: "text", validators: [{ type: "empty_field" }] }, [[" ", " "]], [undefined, ""]],
  [
    "integer",
    { type: "integer", min: 0, max: 9 },
    [
      [0, 0],
      [9, 9],
      ["7", 7],
      [" 7 ", 7],
      ["1e0", 1],
    ],
    [undefined, null, "", -1, 10, 1.5, "x", "0x1", "1 2", true, [], {}, "Infinity", "1e999"],
  ],
  [
    "integer with a default",
    { type: "integer", value: 3 },
    [
      [undefined, 3],
      [-5, -5],
    ],
    [1e300],
  ],
  [
    "optional integer",
    { type: "integer", optional: true },
    [
      [undefined, null],
      ["", null],
      [1, 1],
    ],
    ["x"],
  ],
  [
    "float",
    { type: "float", validators: [{ type: "in_range", min: 0, exclude_min: true, max: 1 }] },
    [
      [0.5, 0.5],
      ["1e-3", 0.001],
      [".5", 0.5],
      [1, 1],
    ],
    [0, 1.01, "nan", "a"],
  ],
  [
    "boolean",
    { type: "boolean" },
    [
      [undefined, false],
      [true, true],
      ["true", true],
      ["false", false],
      [null, false],
    ],
    [1, "yes", [], {}],
  ],
  [
    "boolean with a default",
    { type: "boolean", value: true },
    [
      [undefined, true],
      [false, false],
    ],
    [],
  ],
  [
    "select",
    { type: "select", options: [{ value: "a" }, { value: "b", selected: true }] },
    [
      [undefined, "b"],
      ["a", "a"],
    ],
    ["c", 1, ["a"], {}, "A"],
  ],
  [
    "select with an empty option",
    { type: "select", options: [{ value: "a", selected: true }, { value: "" }] },
    [
      ["", ""],
      [undefined, "a"],
    ],
    ["x"],
  ],
  [
    "optional select",
    { type: "select", optional: true, options: [{ value: "a" }] },
    [
      [undefined, null],
      ["", null],
      ["a", "a"],
    ],
    ["x"],
  ],
  [
    "multiple select",
    { type: "select", multiple: true, options: [{ value: "a" }, { value: "b" }] },
    [
      [
        ["a", "b"],
        ["a", "b"],
      ],
      ["a", ["a"]],
    ],
    [undefined, [], ["a", "c"], [["a"]], { a: 1 }],
  ],
  [
    "optional multiple select",
    { type: "select", multiple: true, optional: true, options: [{ value: "a" }] },
    [
      [undefined, []],
      [[], []],
    ],
    ["c"],
  ],
  [
    "color",
    { type: "color", value: "#000000" },
    [
      [undefined, "#000000"],
      ["#1F77b4", "#1F77b4"],
    ],
    ["red", "#12", 5],
  ],
];

describe("the inputs of a request", () => {
  for (const [what, input, good, bad] of types) {
    it(`${what} takes what fits and refuses the rest`, () => {
      const tool = toolWith({ name: "x", ...input });
      for (const [given, value] of good)
        expect(
          accepted(tool, given === undefined ? {} : { x: given }).x,
          JSON.stringify(given),
        ).to.deep.equal(value);
      for (const given of bad) {
        const faults = refused(tool, given === undefined ? {} : { x: given });
        expect(faults, `${JSON.stringify(given)} should be refused`).to.have.length(1);
        expect(faults[0]).to.match(/^x \| ./);
      }
    });
  }

  const nested = toolWith(
    {
      name: "mode",
      type: "conditional",
      test_parameter: { name: "how", type: "select", options: [{ value: "plain" }, { value: "own" }] },
      whens: [
        { discriminator: "plain", parameters: [] },
        { discriminator: "own", parameters: [{ name: "seed", type: "integer" }] },
      ],
    },
    { name: "rows", type: "repeat", max: 2, parameters: [{ name: "n", type: "integer" }] },
    { name: "more", type: "section", parameters: [{ name: "t", type: "text" }] },
  );

  it("may be nested, or flat as Galaxy's older clients send them", () => {
    const expected = { mode: { how: "own", seed: 4 }, rows: [{ n: 1 }, { n: 2 }], more: { t: "x" } };
    expect(accepted(nested, expected)).to.deep.equal(expected);
    const flat = { "mode|how": "own", "mode|seed": "4", "rows_0|n": 1, "rows_1|n": "2", "more|t": "x" };
    expect(accepted(nested, flat)).to.deep.equal(expected);
    expect(accepted(nested, {})).to.deep.equal({ mode: { how: "plain" }, rows: [], more: { t: "" } });
  });

  it("are refused with all faults at once, each under its flat key, unknown keys with what was meant", () => {
    const given = { mode: { how: "own", sead: 4 }, rows: [{ n: "x" }, {}, {}], mroe: {}, constructor: 1 };
    const faults = refused(nested, given).join("\n");
    for (const line of [
      "mode|seed | is required",
      "mode|sead | the tool has no such input | did you mean seed?",
      "rows | takes at most 2",
      "rows_0|n | must be a number",
      "rows_1|n | is required",
      "mroe | the tool has no such input | did you mean more?",
      "constructor | the tool has no such input",
    ])
      expect(faults).to.contain(line);
    for (const whole of [null, [], "x", 5, undefined]) expect(refused(nested, whole)).to.have.length(1);
    expect(refused(nested, { "rows_5000|n": 1 })[0]).to.contain("takes at most");
    for (const wrong of [{ mode: 5 }, { mode: [] }, { rows: {} }, { rows: [1] }, { more: "x" }])
      expect(refused(nested, wrong), JSON.stringify(wrong)).to.not.have.length(0);
  });

  it("named like something of JavaScript's objects are inputs as others, and __proto__ is no key", () => {
    const tool = toolWith(
      { name: "constructor", type: "text" },
      { name: "toString", type: "integer", value: 2 },
    );
    expect(Object.entries(accepted(tool, {}))).to.deep.equal([
      ["constructor", ""],
      ["toString", 2],
    ]);
    expect(refused(tool, JSON.parse('{"__proto__": {"toString": 5}}'))[0]).to.contain("__proto__");
    expect(refused(nested, JSON.parse('{"more": {"__proto__": {"t": "y"}}}'))[0]).to.contain("__proto__");
  });
});
