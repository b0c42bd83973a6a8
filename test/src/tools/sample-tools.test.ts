import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect } from "chai";
import {
  buildCommand,
  bundledTools,
  checkInputs,
  ExpressionSandbox,
  loadToolBox,
  mapDataReferences,
  type FileValue,
  type ToolBox,
} from "@galaxy-jobs/tools";

const binary = Buffer.from(Array.from({ length: 2_048 }, (_, index) => (index * 7) % 256));
const contents: Record<string, Buffer> = {
  empty: Buffer.alloc(0),
  plain: Buffer.from("b 2\na 10\nb 2\n#c\n"),
  unended: Buffer.from("one\ntwo"),
  crlf: Buffer.from("one\r\ntwo\r\n"),
  binary,
  table: Buffer.from("a\tb\tc\nd\te\tf\nno tabs\n"),
  numbers: Buffer.from("10\n9\n1e1\n-3\n9\n"),
  words: Buffer.from("The cat, the DOG; naïve the\r\ncat's\0x"),
  large: Buffer.from(Array.from({ length: 200_000 }, (_, index) => `line ${index}\n`).join("")),
  zipped: gzipSync("inside\n"),
};

interface Run {
  status: number | null;
  stderr: string;
  stdout: string;
  output: Buffer | undefined;
}

for (const shell of ["/bin/bash", "/bin/sh"].filter((path) => existsSync(path))) {
  describe(`the sample tools, run by ${shell}`, function () {
    this.timeout(60_000);
    const sandbox = new ExpressionSandbox();
    const data = mkdtempSync(join(tmpdir(), "galaxy-samples-"));
    let box: ToolBox;
    const used = new Set<string>();

    before(async () => {
      box = await loadToolBox([bundledTools]);
      expect(box.faults).to.deep.equal([]);
      for (const [name, content] of Object.entries(contents)) writeFileSync(join(data, name), content);
    });
    after(async () => {
      rmSync(data, { recursive: true });
      await sandbox.close();
    });

    const hda = (id: string) => ({ src: "hda", id });

    /** As a job does it, with `{src: "hda", id}` naming one of the contents. */
    async function run(toolId: string, given: Record<string, unknown>): Promise<Run> {
      used.add(toolId);
      const tool = box.get(toolId)!;
      const checked = checkInputs(tool, given);
      if (!checked.ok)
        throw new Error(checked.faults.map(({ key, message }) => `${key}: ${message}`).join("; "));
      const inputs = mapDataReferences(tool, checked.inputs, ({ id }): FileValue => {
        const path = join(data, String(id));
        const size = contents[id]?.length ?? 0;
        return {
          class: "File",
          path,
          basename: `${id}`,
          nameroot: `${id}`,
          nameext: "",
          size,
          format: "txt",
          name: "it's",
        };
      });
      const { commandLine } = await buildCommand(tool, inputs, sandbox);
      const working = mkdtempSync(join(tmpdir(), "galaxy-sample-"));
      try {
        writeFileSync(join(working, "tool_script.sh"), `set -e\n${commandLine}\n`);
        const { status, stdout, stderr, error } = spawnSync(shell, ["tool_script.sh"], {
          cwd: working,
          encoding: "utf8",
          timeout: 20_000,
          env: { PATH: process.env["PATH"] },
        });
        if (error !== undefined) throw error;
        const result = join(working, tool.outputs[0]!.from_work_dir);
        return { status, stdout, stderr, output: existsSync(result) ? readFileSync(result) : undefined };
      } finally {
        rmSync(working, { recursive: true });
      }
    }

    async function outputOf(toolId: string, given: Record<string, unknown>): Promise<string> {
      const { status, stderr, output } = await run(toolId, given);
      expect(stderr, `${toolId} says`).to.equal("");
      expect(status, toolId).to.equal(0);
      return output!.toString("latin1");
    }

    const latin1 = (text: string) => Buffer.from(text).toString("latin1");

    it("cat1 puts datasets one after the other, byte for byte", async () => {
      const given = {
        input1: hda("unended"),
        queries: [{ input2: hda("binary") }, { input2: hda("empty") }],
      };
      expect(await outputOf("cat1", given)).to.equal(`one\ntwo${binary.toString("latin1")}`);
      expect(await outputOf("cat1", { input1: hda("empty") })).to.equal("");
    });

    it("checksum gives each dataset's sum in the order chosen, and fails when one cannot be read", async () => {
      for (const algorithm of ["sha256", "sha512", "sha1", "md5"]) {
        const names = ["large", "empty", "binary"];
        const sums = names.map((name) => `${createHash(algorithm).update(contents[name]!).digest("hex")}\n`);
        expect(await outputOf("checksum", { input: names.map((name) => hda(name)), algorithm })).to.equal(
          sums.join(""),
        );
      }
      expect((await run("checksum", { input: [hda("gone"), hda("empty")] })).status).to.not.equal(0);
    });

    it("cut_columns keeps columns, and lines without a tab", async () => {
      expect(await outputOf("cut_columns", { input: hda("table"), columns: "1,3-" })).to.equal(
        "a\tc\nd\tf\nno tabs\n",
      );
      expect(await outputOf("cut_columns", { input: hda("empty") })).to.equal("");
      for (const columns of ["1; id", "-1", "", "1\n", "a"])
        expect(checkInputs(box.get("cut_columns")!, { input: hda("table"), columns }).ok, columns).to.equal(
          false,
        );
    });

    it("fail_with_code ends with the code and says any message as it is", async () => {
      for (const message of ["it's", '"$HOME" `id` $(id)', "\\n%s", "two\nlines", "é"]) {
        const { status, stderr, output } = await run("fail_with_code", { code: 42, message });
        expect(status).to.equal(42);
        expect(stderr).to.equal(`${message}\n`);
        expect(output!.toString()).to.equal(`${message}\n`);
      }
      expect((await run("fail_with_code", { code: 0 })).status).to.equal(0);
    });

    it("grep selects lines by any pattern, none as well, of binary data too", async () => {
      const input = hda("plain");
      expect(await outputOf("grep", { input, pattern: "^b|#" })).to.equal("b 2\nb 2\n#c\n");
      expect(await outputOf("grep", { input, pattern: "^B", ignore_case: true, invert: true })).to.equal(
        "a 10\n#c\n",
      );
      for (const pattern of ["it's", '"', "-v", "$(id)", "`id`", "--help", "\\$HOME"])
        expect(await outputOf("grep", { input, pattern }), pattern).to.equal("");
      expect(await outputOf("grep", { input: hda("unended"), pattern: "two" })).to.equal("two\n");
      expect(await outputOf("grep", { input: hda("crlf"), pattern: "two" })).to.equal("two\r\n");
      expect(await outputOf("grep", { input: hda("words"), pattern: "cat's" })).to.contain("cat's\0x");
      expect((await run("grep", { input, pattern: "(" })).status).to.not.equal(0);
    });

    it("gzip and gunzip are each other's inverse, and what is no gzip fails", async () => {
      for (const name of ["empty", "binary", "large"]) {
        const zipped = await run("gzip", { input: hda(name), level: 9 });
        expect(zipped.status).to.equal(0);
        expect(gunzipSync(zipped.output!).equals(contents[name]!), name).to.equal(true);
      }
      expect(await outputOf("gunzip", { input: hda("zipped") })).to.equal("inside\n");
      for (const name of ["empty", "plain", "binary"])
        expect((await run("gunzip", { input: hda(name) })).status, name).to.not.equal(0);
    });

    it("line_count counts lines, words and characters", async () => {
      const counts = async (name: string) =>
        (await outputOf("line_count", { input: hda(name) })).split("\n")[1];
      expect(await counts("plain")).to.equal("4\t7\t16");
      expect(await counts("empty")).to.equal("0\t0\t0");
      expect(await counts("unended")).to.equal("1\t2\t7");
      expect(await counts("crlf")).to.equal("2\t2\t10");
      expect((await counts("words"))!.split("\t")[2]).to.equal(
        String("The cat, the DOG; naïve the\r\ncat's\0x".length),
      );
    });

    it("random_lines1 picks each line at most once; the same seed picks the same, another seed others", async () => {
      const pick = (name: string, lines: number, seed?: string) =>
        outputOf("random_lines1", {
          input: hda(name),
          num_lines: lines,
          seed_source:
            seed === undefined
              ? { seed_source_selector: "no_seed" }
              : { seed_source_selector: "set_seed", seed },
        });
      const picks = new Map<string, string>();
      for (const seed of ["a", "b", "ab", "ba", "", "it's", "!", "?", "\\n", "é", "1", "2"]) {
        const picked = await pick("large", 20, seed);
        expect(picked.split("\n").length, seed).to.equal(21);
        expect(new Set(picked.split("\n")).size, seed).to.equal(21);
        expect(picked).to.match(/^(line \d+\n)+$/);
        picks.set(seed, picked);
      }
      expect(new Set(picks.values()).size, "different picks").to.equal(picks.size);
      expect(await pick("large", 20, "it's")).to.equal(picks.get("it's"));
      const all = await pick("plain", 100);
      expect(all.split("\n").toSorted()).to.deep.equal(contents["plain"]!.toString().split("\n").toSorted());
      expect(await pick("empty", 3, "x")).to.equal("");
      expect((await pick("unended", 3, "x")).split("\n").toSorted()).to.deep.equal(["", "one", "two"]);
      expect((await pick("table", 3, "x")).split("\n")).to.include("a\tb\tc");
    });

    it("show_beginning and show_tail take lines from either end", async () => {
      expect(await outputOf("show_beginning", { input: hda("plain"), lineNum: 2 })).to.equal("b 2\na 10\n");
      expect(await outputOf("show_tail", { input: hda("plain"), lineNum: 1 })).to.equal("#c\n");
      expect(await outputOf("show_tail", { input: hda("unended"), lineNum: 1 })).to.equal("two");
      expect(await outputOf("show_beginning", { input: hda("large"), lineNum: 0 })).to.equal("");
      expect(await outputOf("show_tail", { input: hda("empty") })).to.equal("");
    });

    it("sleep says each second that it slept", async () => {
      const { status, stdout, output } = await run("sleep", { seconds: 1 });
      expect(status).to.equal(0);
      expect(stdout).to.equal("slept 0 s\nslept 1 s\n");
      expect(output!.toString()).to.equal("slept 1 s\n");
    });

    it("sort orders by bytes or numbers, either way, and each different line once", async () => {
      const input = hda("numbers");
      expect(await outputOf("sort", { input })).to.equal("-3\n10\n1e1\n9\n9\n");
      expect(await outputOf("sort", { input, order: "descending", unique: true })).to.equal(
        "9\n1e1\n10\n-3\n",
      );
      expect(await outputOf("sort", { input, numeric: true, unique: true })).to.equal("-3\n9\n10\n1e1\n");
      expect(await outputOf("sort", { input, numeric: true, order: "descending" })).to.equal(
        "1e1\n10\n9\n9\n-3\n",
      );
      expect(await outputOf("sort", { input: hda("unended"), order: "descending" })).to.equal("two\none\n");
      expect(await outputOf("sort", { input: hda("empty") })).to.equal("");
    });

    it("unique keeps the first of equal lines, in their order", async () => {
      expect(await outputOf("unique", { input: hda("plain") })).to.equal("b 2\na 10\n#c\n");
      expect(await outputOf("unique", { input: hda("crlf") })).to.equal("one\r\ntwo\r\n");
      expect(await outputOf("unique", { input: hda("large") })).to.equal(contents["large"]!.toString());
    });

    it("word_frequency counts words without regard to case, the most frequent first", async () => {
      const expected = "3\tthe\n2\tcat\n1\tdog\n1\tnaïve\n1\ts\n1\tx\n";
      expect(await outputOf("word_frequency", { input: hda("words") })).to.equal(latin1(expected));
      expect(await outputOf("word_frequency", { input: hda("words"), most: 1 })).to.equal("3\tthe\n");
      expect(await outputOf("word_frequency", { input: hda("empty") })).to.equal("");
      expect(await outputOf("word_frequency", { input: hda("large"), most: 2 })).to.equal(
        "200000\tline\n1\t0\n",
      );
    });

    it("were all run", () => {
      expect([...used].toSorted()).to.deep.equal(
        box
          .list()
          .map(({ id }) => id)
          .toSorted(),
      );
    });
  });
}
