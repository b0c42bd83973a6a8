import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { repository, watch } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";

const program = join(repository, "bench", "dist", "main.js");
const tiny = ["--rounds", "1", "--scale", "0.002", "--seconds", "60", "--json"];

interface Line {
  readonly name: string;
  readonly results: Record<string, { median: number; rounds: number[]; unit: string }>;
  readonly ratios: Record<string, number>;
}

describe("npm run bench", function () {
  this.timeout(400_000);
  let folder: string;

  beforeEach(async () => {
    folder = await traversableFolder("galaxy-test-bench-");
  });

  afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  /** Its folders are in one of this test's own. */
  const start = (...args: readonly string[]) => {
    const env = { ...process.env, TMPDIR: folder };
    return watch(
      "bench",
      spawn(process.execPath, [program, ...args], { env, stdio: ["ignore", "pipe", "pipe"] }),
    );
  };

  it("measures every subject, and says so in one line of JSON for each bench", async () => {
    const bench = start("contention", "fair", ...tiny);
    const [code] = (await once(bench.child, "close")) as [number];
    expect(code, bench.lines.join("\n")).to.equal(0);
    const [contention, fair] = bench.lines
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Line);
    expect(contention!.name).to.equal("contention");
    const duplicates = Object.entries(contention!.results).filter(([key]) => key.endsWith(" duplicates"));
    expect(duplicates).to.have.length(7);
    for (const [key, { median, rounds }] of duplicates)
      expect([key, median, rounds]).to.deep.equal([key, 0, [0]]);
    expect(contention!.ratios).to.include.keys("2 handlers rows", "64 handlers claims");
    expect(fair!.results["none before"]).to.deep.equal({ median: 0, rounds: [0], unit: "jobs before it" });
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it("leaves no process and no folder behind when it is interrupted", async () => {
    const bench = start("contention", ...tiny);
    await bench.line(/^round 1, /, 120_000);
    bench.child.kill("SIGINT");
    const [code] = (await once(bench.child, "close")) as [number];
    expect(code, bench.lines.join("\n")).to.equal(130);
    expect(await readdir(folder)).to.deep.equal([]);
    await until(async () => (await processesWith(folder)).length === 0, {
      what: "the bench's processes to be gone",
      // A postmaster whose folder is gone looks for it once a minute.
      deadline: 150_000,
    });
  });

  it("names the benches that there are", async () => {
    const bench = start("nonsense");
    const [code] = (await once(bench.child, "close")) as [number];
    expect(code).to.equal(2);
    expect(bench.lines.join("\n"))
      .to.match(/^ {2}drain\b/m)
      .and.match(/^ {2}slurm\b/m);
  });
});

/** Processes whose command line or environment names the folder. */
async function processesWith(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    if (pid === String(process.pid)) continue;
    for (const file of ["cmdline", "environ"]) {
      const text = await readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
      if (text.includes(folder)) found.push(pid);
    }
  }
  return found;
}
