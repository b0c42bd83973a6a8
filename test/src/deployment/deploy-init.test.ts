import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { programs, repository } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";

const execute = promisify(execFile);

describe("galaxyctl deploy init", function () {
  this.timeout(60_000);
  let folder: string;
  let out: string;

  beforeEach(async () => {
    folder = await traversableFolder("galaxy-test-deploy-");
    out = join(folder, "out");
    await mkdir(join(folder, "config"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const configure = (jobs: object): Promise<void> => {
    const job_config = {
      runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner" } },
      execution: { default: "local", environments: { local: { runner: "local" } } },
      ...jobs,
    };
    const url = "postgresql://galaxy@localhost/galaxy";
    const content = { web: { http: "127.0.0.1:8080" }, galaxy: { database_connection: url, job_config } };
    return writeFile(join(folder, "config", "galaxy.yml"), JSON.stringify(content));
  };
  const init = async (...words: string[]): Promise<{ code: number; said: string }> => {
    const args = [programs.ctl, "-c", join(folder, "config", "galaxy.yml"), "deploy", "init", out, ...words];
    return execute(process.execPath, args).then(
      ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        said: error.stdout + error.stderr,
      }),
    );
  };
  const bin = join(repository, "node_modules", ".bin");
  const file = (name: string): Promise<string> => readFile(join(out, name), "utf8");

  for (const manager of ["systemd", "supervisor"])
    it(`is what wrote ${manager}/ of this repository`, async () => {
      await configure({ handling: { assign: ["db-skip-locked"] } });
      const bins = ["--bin", join(folder, "server/node_modules/.bin")];
      await init("--with", manager, "--user", "galaxy", ...bins);
      for (const name of await readdir(out))
        expect((await file(name)).replaceAll(folder, "/srv/galaxy"), name).to.equal(
          await readFile(join(repository, manager, name), "utf8"),
        );
      expect((await readdir(out)).toSorted()).to.deep.equal(
        (await readdir(join(repository, manager))).toSorted(),
      );
    });

  it("has a unit for each handler that job_conf defines, by its name", async () => {
    await configure({
      handling: { assign: ["db-preassign"], processes: { big: { tags: ["large"] }, small: null } },
    });
    await init("--with", "systemd", "--bin", bin, "--user", "nobody");
    expect(await file("galaxy.target")).to.match(
      /^Also=galaxy-handler@big\.service galaxy-handler@small\.service$/m,
    );
    expect(await file("galaxy-handler@.service")).to.match(/--server-name %i$/m);
    await rm(out, { recursive: true });
    await init("--with", "supervisor", "--bin", bin);
    expect(await file("galaxy.conf")).to.match(/^programs = web, big, small$/m);
  });

  it("attaches handlers to every pool that tools are mapped to", async () => {
    await configure({
      handling: { assign: ["db-skip-locked"] },
      tools: [{ id: "blast", handler: "special" }],
    });
    await init("--with", "supervisor", "--bin", bin, "--handlers", "2");
    const content = await file("galaxy.conf");
    expect(content).to.match(/--attach-to-pool job-handlers --attach-to-pool job-handlers\.special$/m);
    expect(content).to.match(/^numprocs\s+= 2$/m);
  });

  it("does not shut in a web tier that runs tools itself", async () => {
    await configure({ handling: { assign: ["db-self"] } });
    await init("--with", "systemd", "--bin", bin, "--user", "nobody");
    const content = await file("galaxy-web.service");
    expect(content).to.not.match(/^(PrivateTmp|NoNewPrivileges)=/m);
    expect(content).to.match(/^Delegate=yes$/m);
  });

  it("shows what would change, and overwrites it only when told so", async () => {
    await configure({ handling: { assign: ["db-skip-locked"] } });
    await init("--with", "supervisor", "--bin", bin);
    const before = await file("galaxy.conf");
    const refused = await init("--with", "supervisor", "--bin", bin, "--handlers", "7");
    expect(refused.code).to.equal(1);
    expect(refused.said)
      .to.match(/^-numprocs += 4$/m)
      .and.match(/^\+numprocs += 7$/m);
    expect(await file("galaxy.conf")).to.equal(before);
    expect((await init("--with", "supervisor", "--bin", bin, "--handlers", "7", "--yes")).code).to.equal(0);
    expect(await file("galaxy.conf")).to.match(/^numprocs += 7$/m);
    expect((await init("--with", "supervisor", "--bin", bin, "--handlers", "7")).said).to.match(
      /^unchanged /m,
    );
  });

  it("refuses what would be more than one word of a unit", async () => {
    await configure({ handling: { assign: ["db-skip-locked"] } });
    const refused = await init("--with", "systemd", "--user", "galaxy\nExecStartPre=/bin/evil", "--bin", bin);
    expect(refused.code).to.equal(1);
    expect(refused.said).to.match(/--user: .*cannot be written into these files/);
  });
});
