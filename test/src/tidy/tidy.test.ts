import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

/** The files of the repository; in a tree without git, nothing to say. */
function tracked(pattern: RegExp): string[] {
  const listing = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  });
  return listing.split("\n").filter((file) => pattern.test(file));
}

const sources = () => tracked(/^packages\/.*\.tsx?$/);
const read = (file: string) => readFileSync(join(root, file), "utf8");

describe("the source tree", () => {
  it("has no file named after nothing", () => {
    const vague = /^(utils?|helpers?|common|manager|misc|stuff)\.(ts|tsx|mjs)$/;
    expect(sources().filter((file) => vague.test(basename(file)))).to.deep.equal([]);
  });

  it("keeps SQL in shared-db", () => {
    const statement = /\b(sql|database|connection)(<[^`]*>)?`/;
    const strays = sources().filter(
      (file) => !file.startsWith("packages/shared-db/") && statement.test(read(file)),
    );
    // The embedded server is asked about itself before shared-db comes into play.
    expect(
      strays.filter((file) => !file.startsWith("packages/runtime/src/embedded-postgres/")),
    ).to.deep.equal([]);
  });

  it("uses no setInterval, whose rounds overlap", () => {
    const users = sources().filter(
      (file) => !file.startsWith("packages/web/ui/") && /\bsetInterval\(/.test(read(file)),
    );
    expect(users).to.deep.equal([]);
  });

  it("promises nothing for later", () => {
    const open = new RegExp(["TO" + "DO", "FIX" + "ME", "X" + "XX"].map((word) => `\\b${word}\\b`).join("|"));
    expect(
      [...sources(), ...tracked(/^test\/src\/.*\.ts$/)].filter((file) => open.test(read(file))),
    ).to.deep.equal([]);
  });

  it("names no registry host in the lock file", () => {
    expect(read("pnpm-lock.yaml")).to.not.match(/https?:\/\//);
  });

  it("asks the database for columns by name, since a migration may add one meanwhile", () => {
    // Inside of a statement, or of a list of our own; the results have names.
    const inner = [
      "list-handlers",
      "remaining-jobs",
      "resubmit-job",
      "finish-job",
      "finish-outputs",
      "database-health",
    ];
    const asking = tracked(/^packages\/shared-db\/src\/.*\.ts$/).filter(
      (file) =>
        !inner.includes(basename(file, ".ts")) &&
        /(\b(select|returning)|,)\s+(\w+\.)?\*(?![/*])/.test(read(file).replaceAll(/\/\*[^]*?\*\//g, "")),
    );
    expect(asking).to.deep.equal([]);
  });

  it("declares of each migration which releases can work with what it leaves", () => {
    const undeclared = tracked(/^packages\/shared-db\/migrations\/.*\.sql$/).filter(
      (file) =>
        // The first ones were never released without each other.
        Number.parseInt(basename(file), 10) > 9 && !/^-- compatible-from: \d+$/m.test(read(file)),
    );
    expect(undeclared).to.deep.equal([]);
  });

  it("has a stage for each step of a job that ARCHITECTURE.md names", () => {
    const stages = tracked(/^packages\/handler\/src\/stages\/.*\.ts$/).map((file) => basename(file));
    const architecture = read("ARCHITECTURE.md");
    expect(stages.filter((stage) => !architecture.includes(stage))).to.deep.equal([]);
  });
});
