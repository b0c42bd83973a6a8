import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { withDatabase } from "../support/database.ts";
import { programs, startDaemon } from "../support/galaxy.ts";

describe("the programs, given something wrong", () => {
  const database = withDatabase();
  let folder: string;
  let config: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "galaxy-test-bad-"));
    config = join(folder, "galaxy.yml");
    await writeFile(config, `galaxy:\n  database_connection: ${JSON.stringify(database.url)}\n`);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const runIt = async (program: string, ...args: string[]) => {
    const daemon = startDaemon("program", program, args);
    const status = await daemon.stop("SIGCONT");
    return { status, text: daemon.lines.join("\n") };
  };

  it("refuse a handler that listens to nothing", async () => {
    const { status, text } = await runIt(programs.handler, "-c", config, "--server-name", "handler0");
    expect(status).to.equal(1);
    expect(text).to.contain("--attach-to-pool job-handlers");
  });

  it("refuse a pool that is none", async () => {
    const { status, text } = await runIt(programs.handler, "-c", config, "--attach-to-pool", "job-handler");
    expect(status).to.equal(1);
    expect(text).to.contain("job-handler").and.to.contain("job-handlers.TAG");
  });

  it("refuse an unknown option with a suggestion", async () => {
    const { status, text } = await runIt(programs.handler, "-c", config, "--sever-name", "handler0");
    expect(status).to.equal(2);
    expect(text).to.contain("--server-name");
  });

  it("list every fault of the configuration, and start nothing", async () => {
    const bad = join(folder, "bad.yml");
    await writeFile(bad, "galaxy:\n  cleanup_jobs: always\n  job_handler_monitor_sleep: fast\n");
    for (const program of [programs.web, programs.handler]) {
      const { status, text } = await runIt(program, "-c", bad, "check");
      expect(status).to.equal(1);
      expect(text).to.contain("bad.yml:2").and.to.contain("cleanup_job").and.to.contain("bad.yml:3");
    }
  });

  it("refuse a second live handler with the same name", async () => {
    const flags = ["-c", config, "--server-name", "twin", "--attach-to-pool", "job-handlers"];
    const first = startDaemon("first", programs.handler, flags);
    await first.line(/job\.registered/);
    const { status, text } = await runIt(programs.handler, ...flags);
    expect(status).to.equal(1);
    expect(text).to.contain("twin").and.to.contain("--server-name");
    expect(await first.stop()).to.equal(0);
  });

  it("explain themselves with --help and --version", async () => {
    for (const program of Object.values(programs)) {
      expect((await runIt(program, "--help")).text).to.contain("--config-file");
      expect((await runIt(program, "--version")).text).to.match(/^\d+\.\d+\.\d+/);
    }
  });
});
