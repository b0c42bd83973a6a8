import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { withDatabase } from "../support/database.ts";
import { programs, startDaemon } from "../support/galaxy.ts";

describe("a handler to which no assignment method gives jobs", function () {
  this.timeout(60_000);
  const database = withDatabase();
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "galaxy-test-unreached-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** @returns the warning of a handler that was started, if there was one by the time it was registered */
  async function warning(
    jobConf: Record<string, unknown>,
    pool: string | undefined,
    name = "h1",
  ): Promise<string> {
    const config = join(folder, "galaxy.yml");
    const galaxy = {
      database_connection: database.url,
      job_config: {
        execution: { default: "local", environments: { local: { runner: "local" } } },
        ...jobConf,
      },
    };
    await writeFile(config, JSON.stringify({ galaxy }));
    const flags = pool === undefined ? [] : ["--attach-to-pool", pool];
    const handler = startDaemon(name, programs.handler, ["-c", config, "--server-name", name, ...flags]);
    await handler.line(/job\.registered/);
    expect(await handler.stop()).to.equal(0);
    return handler.lines.filter((line) => line.includes("handler.unreached")).join("\n");
  }

  it("is warned of, with the remedy, when the web tier keeps its jobs", async () => {
    expect(await warning({ handling: { assign: ["mem-self"] } }, "job-handlers"))
      .to.contain("mem-self")
      .and.to.contain("db-skip-locked");
    expect(
      await warning({ handling: { assign: ["mem-self", "db-skip-locked"] } }, "job-handlers"),
    ).to.contain("mem-self");
    expect(await warning({}, "job-handlers")).to.contain(
      "db-self (the default without handlers in job_conf)",
    );
    expect(await warning({ handling: { assign: ["uwsgi-mule-message"] } }, "job-handlers")).to.contain(
      "mules",
    );
  });

  it("is warned of when no tool is mapped to its tag", async () => {
    const handling = { assign: ["db-skip-locked"] };
    expect(await warning({ handling }, "job-handlers.special")).to.contain(
      "no tool of job_conf is mapped to",
    );
  });

  it("is not warned of when jobs can reach it", async () => {
    const tools = [{ id: "sleep", handler: "special" }];
    expect(await warning({ handling: { assign: ["db-skip-locked"] } }, "job-handlers")).to.equal("");
    expect(await warning({ handling: { assign: ["db-preassign"] } }, "job-handlers")).to.equal("");
    expect(await warning({ handling: { assign: ["db-self"] }, tools }, "job-handlers.special")).to.equal("");
    const handling = { assign: ["db-self"], processes: { h1: {} } };
    expect(await warning({ handling, tools: [{ id: "sleep", handler: "h1" }] }, undefined)).to.equal("");
  });
});
