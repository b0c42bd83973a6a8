import { expect } from "chai";
import { buildCommand, ExpressionSandbox } from "@galaxy-jobs/tools";
import { parseTool } from "@galaxy-jobs/tools/lint";

describe("the limits of a tool's expressions", function () {
  this.timeout(60_000);
  let sandbox: ExpressionSandbox;
  beforeEach(() => (sandbox = new ExpressionSandbox({ milliseconds: 1_000 })));
  afterEach(() => sandbox.close());

  async function build(command: string, more: object = {}): Promise<string> {
    const source = {
      class: "GalaxyUserTool",
      id: "probe",
      name: "Probe",
      version: "1",
      shell_command: command,
      inputs: [{ name: "a", type: "text" }],
    };
    const { tool, faults } = parseTool(JSON.stringify({ ...source, ...more }), "probe.yml");
    expect(faults).to.deep.equal([]);
    return (await buildCommand(tool!, { a: "x" }, sandbox)).commandLine;
  }

  async function reasonOf(command: string, more: object = {}): Promise<string> {
    try {
      return `no error: ${await build(command, more)}`;
    } catch (error) {
      return String(error);
    }
  }

  it("give all expressions of a run one time, config files included", async () => {
    const slow = "${ const end = Date.now() + 300; while (Date.now() < end) {} return 'x' }";
    const configfiles = Array.from({ length: 10 }, (_, index) => ({ filename: `c${index}`, content: slow }));
    const reason = await reasonOf(`echo ${slow} ${slow}`, { configfiles });
    expect(reason).to.contain("all expressions of a run have 1000 ms together");
    expect(reason).to.contain("configfiles[");
    expect(await build(`echo ${slow}`), "the next run has its own time").to.equal("echo x");
  });

  it("end loops in a library, in toJSON and in regular expressions", async () => {
    const looping = { requirements: [{ type: "javascript", expression_lib: ["while (true) {}"] }] };
    expect(await reasonOf("echo $(1)", looping)).to.contain("expression_lib: all expressions");
    expect(await reasonOf("echo $({ toJSON() { while (true) {} } })")).to.contain("1000 ms together");
    expect(await reasonOf("echo ${ throw { toJSON() { while (true) {} } } }")).to.contain(
      "ToolExpressionError",
    );
    expect(await reasonOf("echo $(/^(a+)+$/.test('a'.repeat(60) + 'b'))")).to.match(
      /together|did not answer/,
    );
    expect(await build("echo $(inputs.a + 1)")).to.equal("echo x1");
  });

  it("refuse results that are too long, hold NUL, or are none", async () => {
    expect(await reasonOf("echo $('x'.repeat(2000000))")).to.contain("longer than 1048576 characters");
    expect(await reasonOf("echo $('a\\0b')")).to.contain("NUL");
    for (const nothing of ["undefined", "inputs.a.b", "inputs.b1 && 1", "() => 1"])
      expect(await reasonOf(`echo $(${nothing.replace("inputs.b1", "inputs['b1']")})`), nothing).to.contain(
        "no result",
      );
    expect(await reasonOf("echo $(nothing.path)")).to.contain("ReferenceError");
    expect(
      await reasonOf("echo ${ const a = []; while (true) a.push('x'.repeat(1e6) + a.length) }"),
    ).to.match(/memory|together|did not answer/);
    expect(await build("echo $([1, null, 'x'])")).to.equal(`echo '[1,null,"x"]'`);
  });

  it("make one short line of whatever is thrown", async () => {
    for (const thrown of [
      "null",
      "undefined",
      "5",
      "'x'",
      "{ message: 5 }",
      "new Error('a\\nb\\0c')",
      "new Error('x'.repeat(100000))",
    ]) {
      const reason = await reasonOf(`echo \${ throw ${thrown} }`);
      expect(reason, thrown).to.contain("ToolExpressionError");
      expect(reason.length, thrown).to.be.below(900);
      expect(/[\n\0]/.test(reason), thrown).to.equal(false);
    }
  });
});
