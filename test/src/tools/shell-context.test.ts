import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect } from "chai";
import fc from "fast-check";
import { buildCommand, ExpressionSandbox, type Tool } from "@galaxy-jobs/tools";
import { parseTool } from "@galaxy-jobs/tools/lint";

/** A tool of one command over text inputs a and b. */
function toolOf(command: string): { tool: Tool | undefined; faults: readonly { message: string }[] } {
  const source = {
    class: "GalaxyUserTool",
    id: "probe",
    name: "Probe",
    version: "1",
    shell_command: command,
    inputs: ["a", "b"].map((name) => ({
      name,
      type: "text",
    })),
  };
  return parseTool(JSON.stringify(source), "probe.yml");
}

async function build(sandbox: ExpressionSandbox, command: string, a: string, b = ""): Promise<string> {
  const { tool, faults } = toolOf(command);
  if (tool === undefined) throw new Error(faults.map(({ message }) => message).join("; "));
  return (await buildCommand(tool, { a, b }, sandbox)).commandLine;
}

const shells = ["/bin/sh", "/bin/bash"].filter((shell) => existsSync(shell));
/** Prints each of its arguments between marks, so that the shell's own view of a command comes back. */
const recorder = String.raw`args() { printf '<%s:' "$#"; printf '[%s]' "$@"; printf '>'; }
`;

function runIn(shell: string, script: string): string {
  const { stdout, error } = spawnSync(shell, ["-s"], {
    input: recorder + script,
    encoding: "utf8",
    timeout: 20_000,
    env: { LC_ALL: "C.UTF-8" },
  });
  if (error !== undefined) throw error;
  return stdout;
}

describe("results in a command line", function () {
  this.timeout(60_000);
  const sandbox = new ExpressionSandbox();
  after(() => sandbox.close());

  it("stand by their place", async () => {
    const expected: [command: string, value: string, result: string][] = [
      ["cat $(inputs.a) > out", "/data/one /data/two", "cat /data/one /data/two > out"],
      ["cat '$(inputs.a)'", "it's", String.raw`cat 'it'\''s'`],
      ['cat "$(inputs.a)"', '$HOME "x" `y` \\', String.raw`cat "\$HOME \"x\" \`y\` \\"`],
      ["cat $(inputs.a)", "a;b", "cat 'a;b'"],
      ["cat $(inputs.a)", "", "cat "],
      ["echo # $(inputs.a)\ntrue", "x\nrm -rf y", "echo # x rm -rf y\ntrue"],
      [String.raw`echo \$(printf %s '$(inputs.a)')`, "'", String.raw`echo $(printf %s ''\''')`],
      ["$(inputs.a) x", "if", "'if' x"],
      ["$(inputs.a) x", "PATH=/evil", "'PATH=/evil' x"],
      ["X=$(inputs.a) env", "1 rm", "X='1 rm' env"],
      ["echo x > $(inputs.a)", "one two", "echo x > 'one two'"],
      ["echo $(inputs.a)> out", "2", "echo '2'> out"],
    ];
    for (const [command, value, result] of expected)
      expect(await build(sandbox, command, value), command).to.equal(result);
  });

  it("are refused where no insertion is safe, already by the linter", () => {
    const unsafe = [
      "echo `echo $(inputs.a)`",
      String.raw`echo \${x:-$(inputs.a)}`,
      "echo $'$(inputs.a)'",
      "echo $$(inputs.a)",
      'echo "\\\\$(inputs.a)"',
    ];
    for (const command of unsafe) expect(toolOf(command).tool, command).to.equal(undefined);
    const { faults } = toolOf("echo `echo $(inputs.a)`");
    expect(faults[0]!.message).to.contain("cannot be inserted safely");
  });

  it("cannot end a here-document", async () => {
    const command = "cat <<END\n$(inputs.a)\nEND\n";
    expect(await build(sandbox, command, "$HOME `x`")).to.equal("cat <<END\n\\$HOME \\`x\\`\nEND\n");
    let refused: unknown;
    await build(sandbox, command, "x\nEND\nrm -rf y").catch((error: unknown) => (refused = error));
    expect(String(refused)).to.contain("END");
  });

  it("are what the author put around them, byte for byte, for any value", async () => {
    const value = fc
      .oneof(
        fc.string({ unit: "binary", maxLength: 40 }),
        fc.string({
          unit: fc.constantFrom(..."'\"\\$`;|&<>(){}[]*?~!#\n\r\t -=%abIF0".split("")),
          maxLength: 40,
        }),
        fc.constantFrom(
          "if",
          "done",
          "}",
          "-n",
          "$(touch x)",
          "`id`",
          "'; id; '",
          '"; id; "',
          "\\",
          "a\\\nb",
          "$",
          "!",
          "${x}",
        ),
      )
      // A lone half of a surrogate pair has no bytes; NUL cannot be in an argument.
      .map((text) => text.replaceAll("\0", "").replaceAll(/[\ud800-\udfff]/gu, ""));
    const places: { command: string; exact: boolean }[] = [
      { command: "args x '$(inputs.a)' y", exact: true },
      { command: 'args x "$(inputs.a)" y', exact: true },
      { command: "args x pre'$(inputs.a)'post y", exact: false },
      { command: String.raw`args x "\$(printf %s '$(inputs.a)')" y`, exact: false },
      { command: String.raw`args x "\$(args "$(inputs.a)")" y`, exact: false },
      { command: "args x y # $(inputs.a)\nargs z", exact: false },
      { command: "args x; cat <<'E O F'\n1$(inputs.a)2\nE O F\nargs z", exact: false },
      { command: "if args c; then args $(inputs.a); fi; args z", exact: false },
      { command: "for i in 1; do args x $(inputs.a); done; args z", exact: false },
    ];
    const values = fc.sample(value, { numRuns: 150, seed: 20_261_124 });
    for (const shell of shells) {
      for (const { command, exact } of places) {
        const built = await Promise.all(values.map((text) => build(sandbox, command, text)));
        // Each in its own subshell, ended by a mark: whatever breaks out of its place loses or doubles a mark.
        const script = built.map((line, index) => `( ${line}\n)\nprintf '@%s@' ${index}\n`).join("");
        const output = runIn(shell, script);
        const parts = output.split(/@\d+@/);
        expect(parts.length, `${shell}: ${command}`).to.equal(values.length + 1);
        for (const [index, text] of values.entries()) {
          const part = parts[index]!;
          const context = `${shell}: ${command} with ${JSON.stringify(text)}`;
          if (exact) expect(part, context).to.equal(`<3:[x][${text}][y]>`);
          else if (command.endsWith("args z")) expect(part, context).to.match(/<1:\[z\]>$/);
          else expect(part, context).to.match(/^<3:\[x\][^]*\[y\]>$/);
        }
      }
    }
  });
});

describe("expressions", function () {
  this.timeout(30_000);

  it("that never end, or take all memory, or recurse, fail by themselves while the process goes on", async () => {
    const sandbox = new ExpressionSandbox({ milliseconds: 300, memoryBytes: 16 * 1024 * 1024 });
    let ticks = 0;
    const tick = () => {
      ticks += 1;
      timer = setTimeout(tick, 10);
    };
    let timer = setTimeout(tick, 10);
    try {
      const reasonOf = (command: string) =>
        build(sandbox, command, "x").then(
          () => "no error",
          (error: unknown) => String(error),
        );
      expect(await reasonOf("echo ${ while (true) {} }")).to.contain("have 300 ms together");
      expect(
        await reasonOf("echo ${ let a = []; while (true) a.push('x'.repeat(10000) + a.length) }"),
      ).to.match(/memory|together/);
      expect(await reasonOf("echo ${ function f() { return f() + 1 } return f() }")).to.match(
        /recursed|stack|memory/,
      );
      expect(await reasonOf("echo $(1 +)")).to.contain("SyntaxError");
      expect(await reasonOf("echo ${ throw new Error('my reason') }")).to.contain("my reason");
      expect(await reasonOf("echo $(typeof process + typeof require + typeof fetch)")).to.equal("no error");
      expect(ticks, "turns of the event loop meanwhile").to.be.above(10);
      expect(await build(sandbox, "echo $([1, 2].map((n) => n + 1).join(' '))", "x")).to.equal("echo 2 3");
    } finally {
      clearTimeout(timer);
      await sandbox.close();
    }
  });
});
