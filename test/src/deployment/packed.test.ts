import { execFile } from "node:child_process";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { createDatabase } from "../support/database.ts";
import { repository, startDaemon } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";

const execute = promisify(execFile);

describe("The packed packages", function () {
  this.timeout(300_000);
  let folder: string;

  before(async () => {
    folder = await traversableFolder("galaxy-test-packed-");
    await mkdir(join(folder, "elsewhere"));
  });
  after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  it("are installed by npm, and work from any folder", async function () {
    const packed = join(folder, "packed");
    await execute(process.execPath, [join(repository, "scripts", "pack.mjs"), packed], { timeout: 200_000 });
    const tarballs = (await readdir(packed)).map((name) => join(packed, name));
    expect(tarballs).to.have.length(6);
    const prefix = join(folder, "prefix");
    const install = [
      "install",
      "--prefix",
      prefix,
      "--no-audit",
      "--no-fund",
      "--prefer-offline",
      ...tarballs,
    ];
    const failure = await execute("npm", install, { timeout: 200_000, cwd: folder }).then(() => "", String);
    if (/ENOTFOUND|EAI_AGAIN|ENETUNREACH|ECONNREFUSED/.test(failure)) {
      this.test!.title = "needs a registry of packages for what ours depend on";
      this.skip();
    }
    expect(failure).to.equal("");

    const cwd = join(folder, "elsewhere");
    const bin = join(prefix, "node_modules", ".bin");
    for (const program of ["galaxy-web", "galaxy-handler", "galaxyctl"])
      expect((await execute(join(bin, program), ["--version"], { cwd })).stdout).to.match(
        /^\d+\.\d+\.\d+\n$/,
      );

    const database = await createDatabase();
    const config = join(folder, "galaxy.yml");
    const job_config = {
      runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner" } },
      handling: { assign: ["db-skip-locked"] },
      execution: { default: "local", environments: { local: { runner: "local" } } },
    };
    const galaxy = { database_connection: database.url, single_user: "tester@example.org", job_config };
    await writeFile(config, JSON.stringify({ web: { http: "127.0.0.1:0" }, galaxy }));
    const web = startDaemon("web", join(bin, "galaxy-web"), ["-c", config]);
    try {
      const [, address] = await web.line(/web\.listening\b.*?\b(http:\/\/[^\s"]+)/, 60_000);
      const page = await (await fetch(address!)).text();
      expect(page).to.match(/<script[^>]+src=/);
      const { version_major: version } = (await (await fetch(`${address}/api/version`)).json()) as {
        version_major: string;
      };
      expect(version).to.be.a("string").and.not.equal("");
      const tools = (await (await fetch(`${address}/api/tools?in_panel=false`)).json()) as unknown[];
      expect(tools.length, "sample tools").to.be.greaterThan(0);
      const deploy = ["-c", config, "deploy", "init", join(folder, "units"), "--with", "supervisor"];
      await execute(join(bin, "galaxyctl"), deploy, { cwd });
      expect(await readdir(join(folder, "units"))).to.deep.equal(["galaxy.conf"]);
    } finally {
      await web.stop();
      await database.drop();
    }
  });
});
