import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findUserByKey } from "@galaxy-jobs/shared-db";
import { expect } from "chai";
import { programs, startGalaxy, type Galaxy } from "../support/galaxy.ts";

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function galaxyctl(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [programs.ctl, ...args],
      { timeout: 30_000 },
      (_, stdout, stderr) => {
        resolve({ status: child.exitCode ?? -1, stdout, stderr });
      },
    );
  });
}

describe("galaxyctl", function () {
  this.timeout(60_000);
  let galaxy: Galaxy;
  before(async () => {
    // Nobody handles jobs: what is submitted stays as it is.
    galaxy = await startGalaxy({ handlers: [] });
  });
  after(() => galaxy?.stop());

  const ctl = (...args: string[]) => galaxyctl(...args, "-c", galaxy.configFile);
  async function good(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await ctl(...args);
    expect(`${status} ${stderr}`).to.equal("0 ");
    return stdout;
  }
  async function refused(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await ctl(...args);
    expect(status).to.equal(1);
    expect(stdout).to.equal("");
    return stderr;
  }
  async function submit(tool: string, inputs: object): Promise<string> {
    const answer = await galaxy.api("/api/tools", { body: { tool_id: tool, inputs } });
    return answer.jobs[0].id;
  }

  it("makes users, lists them, and refuses what is taken or no address", async () => {
    expect(await good("users", "create", "Ann@example.org")).to.contain("Ann@example.org (ann)");
    expect(await good("users", "create", "bob@example.org", "--username", "bobby")).to.contain("(bobby)");
    expect(await good("users", "list"))
      .to.contain("Ann@example.org")
      .and.to.contain("bobby");
    const users = JSON.parse(await good("users", "list", "--json"));
    expect(users.map((user: { email: string }) => user.email)).to.include("bob@example.org");
    expect(await refused("users", "create", "ann@EXAMPLE.org")).to.contain("there is a user Ann@example.org");
    expect(await refused("users", "create", "ann@other.org")).to.contain("--username");
    expect(await refused("users", "create", "nobody")).to.contain("no e-mail address");
    expect(await refused("users", "create", "x@y.org", "--username", "A B")).to.contain("no username");
  });

  it("makes an API key that works and ends the one before, and keeps only its hash", async () => {
    await good("users", "create", "key@example.org");
    const first = (await good("users", "key", "key@example.org")).trim();
    const second = (await good("users", "key", "KEY@example.org")).trim();
    expect(first).to.match(/^[0-9a-f]{48}$/);
    expect(await findUserByKey(galaxy.database.sql, first)).to.equal(undefined);
    expect((await findUserByKey(galaxy.database.sql, second))?.email).to.equal("key@example.org");
    const [row] = await galaxy.database.sql`select string_agg(k::text, ' ') as text from api_key k`;
    expect(row!["text"]).to.not.contain(second);
    expect(await refused("users", "key", "who@example.org")).to.contain("users create who@example.org");
  });

  it("says of a job that waits that its pool has no handler, lists, shows and deletes it", async () => {
    const id = await submit("sleep", { seconds: 0 });
    expect(await good("jobs", "why", id)).to.match(/^new: pool job-handlers has never had a handler/);
    const why = JSON.parse(await good("jobs", "why", id, "--json"));
    expect(why).to.include({ state: "new", code: "no-pool" });
    expect(await good("jobs", "why", String(why.id))).to.contain("pool job-handlers");
    const listed = JSON.parse(await good("jobs", "list", "--state", "new", "--tool", "sleep", "--json"));
    expect(listed.map((job: { id: number }) => job.id)).to.include(why.id);
    expect(await good("jobs", "show", id)).to.match(/^state +new$/m);
    expect(await good("pools", "list")).to.match(/_default_.*1.*none is live/);
    expect(await good("jobs", "delete", id)).to.equal("deleted\n");
    expect(await refused("jobs", "delete", id)).to.contain("has ended already: deleted");
    expect(await good("jobs", "why", id)).to.match(/^deleted: the job has ended/);
  });

  it("names each job that is not there or no id, on one line", async () => {
    for (const command of ["show", "why", "delete"]) {
      expect(await refused("jobs", command, "999999")).to.equal("galaxyctl: there is no job 999999\n");
      expect(await refused("jobs", command, "../etc")).to.equal("galaxyctl: ../etc is no job id\n");
    }
  });

  it("shows where a tool's run would go before there is a handler and after", async () => {
    const before = await good("config", "route", "sleep");
    expect(before)
      .to.contain("no entry for its id or class")
      .and.to.contain("db-skip-locked: takes it")
      .and.to.match(/^! served .*has no live handler \(never seen\)/m)
      .and.to.contain("local (runner local), the default");
    const handler = await galaxy.startHandler("handler7");
    expect(await good("config", "route", "sleep")).to.match(/^ {2}served .*handler7 \(0 jobs in hand\)/m);
    expect(await good("config", "route", "sleep", "--handler", "special")).to.match(
      /^! served .*job-handlers\.special has no live handler/m,
    );
    expect(await good("handlers", "list"))
      .to.contain("handler7")
      .and.to.contain("_default_");
    const [listed] = JSON.parse(await good("handlers", "list", "--json"));
    expect(listed).to.include({ serverName: "handler7", jobsRunning: 0 });
    expect(await handler.stop()).to.equal(0);
    expect(await good("handlers", "list")).to.equal("none\n");
    expect(await refused("config", "route", "no_such")).to.contain("there is no tool no_such");
    expect(await refused("config", "route", "sleep", "--user", "who@example.org")).to.contain("no user who@");
  });

  it("shows tags, methods that pass, and limits with the current numbers", async () => {
    const config = join(galaxy.folder, "route.yml");
    const conf = {
      handling: { assign: ["db-preassign", "mem-self"], processes: { h1: { tags: "special" }, h2: {} } },
      execution: { default: "local", environments: { local: { runner: "local", tags: "all" } } },
      tools: [
        { id: "sleep", handler: "special" },
        { id: "sort", handler: "h2", environment: "all" },
        { id: "cat1", handler: "nowhere" },
      ],
      limits: [
        { type: "registered_user_concurrent_jobs", value: 5 },
        { type: "destination_total_concurrent_jobs", id: "local", value: 0 },
      ],
    };
    await writeFile(
      config,
      JSON.stringify({ galaxy: { database_connection: galaxy.database.url, job_config: conf } }),
    );
    const route = async (...args: string[]) =>
      (await galaxyctl("config", "route", ...args, "-c", config)).stdout;
    expect(await route("sleep", "--user", "tester@example.org"))
      .to.contain("matched by its id, sleep")
      .and.to.contain("tag special (pool job-handlers.special), of the tool's entry")
      .and.to.contain("db-preassign: takes it, handler h1")
      .and.to.match(/^! served .*handler h1 is not running/m)
      .and.to.match(/^! limit .*destination local takes no jobs/m)
      .and.to.match(/^ {2}limit .*the user has 0 of 5 jobs active/m);
    expect(await route("sort"))
      .to.contain("the direct rule: h2")
      .and.to.contain("tag all, of the tool's entry");
    expect(await route("cat1"))
      .to.match(/^! method .*db-preassign: passes, no handler of job_conf has the tag nowhere/m)
      .and.to.contain("mem-self: takes it")
      .and.to.contain("which mem-self ignores");
  });

  it("lints tools, with exit status 1 for a faulty one", async () => {
    const folder = await mkdtemp(join(tmpdir(), "galaxyctl-"));
    try {
      const bad = join(folder, "bad.yml");
      await writeFile(bad, "class: GalaxyUserTool\nid: x\nshell_comand: echo\n");
      const { status, stdout } = await ctl("tools", "lint", bad);
      expect(status).to.equal(1);
      expect(stdout).to.contain("bad.yml:3").and.to.contain("shell_command");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("shows the schema's version and finds nothing to migrate", async () => {
    expect(await good("db", "status")).to.match(/the database is at \d+, this release brings \d+/);
    expect(await good("db", "migrate")).to.equal("nothing to do\n");
    expect(await good("config", "check")).to.contain("is valid");
  });

  it("explains every command with --help", async () => {
    const words = ["db", "handlers", "pools", "jobs", "users", "config", "tools"];
    const { stdout } = await galaxyctl("--help");
    for (const word of words) {
      expect(stdout).to.contain(`galaxyctl ${word}`);
      expect((await galaxyctl(word, "--help")).stdout).to.contain(`galaxyctl ${word}`);
    }
  });

  it("refuses command lines that it does not understand", async () => {
    for (const args of [
      [],
      ["job"],
      ["jobs"],
      ["jobs", "why"],
      ["users", "create"],
      ["jobs", "list", "--sate", "ok"],
    ]) {
      const { status, stdout, stderr } = await ctl(...args);
      expect(`${args.join(" ")}: ${status} ${stdout}`).to.equal(`${args.join(" ")}: 2 `);
      expect(stderr).to.not.contain("    at ");
    }
    expect((await ctl("jobs", "list", "--state", "sleeping")).stderr).to.contain("sleeping");
  });

  it("ends with one clear line when the database is down", async () => {
    const folder = await mkdtemp(join(tmpdir(), "galaxyctl-"));
    try {
      const config = join(folder, "galaxy.yml");
      const url = "postgresql://galaxy@127.0.0.1:1/none";
      await writeFile(config, JSON.stringify({ galaxy: { database_connection: url } }));
      const { status, stdout, stderr } = await galaxyctl("users", "list", "-c", config);
      expect(status).to.equal(1);
      expect(stdout).to.equal("");
      expect(stderr).to.match(/^galaxyctl: cannot use the database galaxy@127\.0\.0\.1:1\/none: .*\n$/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
