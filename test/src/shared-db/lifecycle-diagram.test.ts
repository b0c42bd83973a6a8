import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isTerminal, jobStates, legalChanges } from "@galaxy-jobs/shared-db";
import { expect } from "chai";
import { repository } from "../support/galaxy.ts";

describe("the diagram of docs/job-lifecycle.md", () => {
  let changes: string[];
  before(async () => {
    const page = await readFile(join(repository, "docs", "job-lifecycle.md"), "utf8");
    const [, diagram] = /```mermaid\nstateDiagram-v2\n([^`]*)```/.exec(page)!;
    const lines = diagram!.trim().split("\n");
    changes = lines.map((line) => {
      const change = /^ {2}(\S+) --> (\S+?)(?:: .+)?$/.exec(`  ${line.trim()}`);
      expect(change, line).to.not.equal(null);
      return `${change![1]} → ${change![2]}`;
    });
  });

  it("has exactly the legal changes of job-states.ts", () => {
    const drawn = changes.filter((change) => !change.includes("[*]"));
    const legal = jobStates.flatMap((from) => legalChanges[from].map((to) => `${from} → ${to}`));
    expect(drawn.toSorted()).to.deep.equal(legal.toSorted());
  });

  it("ends where nothing leaves a state", () => {
    const ends = changes.filter((change) => change.endsWith("→ [*]"));
    const terminal = jobStates.filter((state) => isTerminal(state)).map((state) => `${state} → [*]`);
    expect(ends.toSorted()).to.deep.equal(terminal.toSorted());
  });
});
