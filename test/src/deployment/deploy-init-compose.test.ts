import { execFile } from "node:child_process";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { parse } from "yaml";
import { programs } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";

const execute = promisify(execFile);

describe("the containers of galaxyctl deploy init", function () {
  this.timeout(60_000);
  let folder: string;
  let out: string;

  beforeEach(async () => {
    folder = await traversableFolder("galaxy-test-compose-file-");
    out = join(folder, "out");
    await mkdir(join(folder, "config"));
    await mkdir(join(folder, "tools"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const configure = (
    jobs: object,
    { galaxy = {}, web = { http: "0.0.0.0:9090" } }: { galaxy?: object; web?: object } = {},
  ): Promise<void> => {
    const job_config = {
      runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner" } },
      execution: { default: "local", environments: { local: { runner: "local" } } },
      ...jobs,
    };
    const content = {
      web,
      galaxy: { single_user: "tester@example.org", tool_path: join(folder, "tools"), job_config, ...galaxy },
    };
    return writeFile(join(folder, "config", "galaxy.yml"), JSON.stringify(content));
  };
  const init = async (...words: string[]): Promise<{ code: number; said: string }> => {
    const flags = ["-c", join(folder, "config", "galaxy.yml"), "deploy", "init", out, "--with", "compose"];
    return execute(process.execPath, [programs.ctl, ...flags, ...words]).then(
      ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        said: error.stdout + error.stderr,
      }),
    );
  };
  const file = async (): Promise<any> =>
    parse(await readFile(join(out, "docker-compose.yml"), "utf8"), { merge: true });
  const pools = { handling: { assign: ["db-skip-locked"] }, tools: [{ id: "blast", handler: "special" }] };

  it("are a service for each pool, the web tier and a database, which their checker finds right", async () => {
    await configure(pools);
    const { code, said } = await init("--user", "nobody", "--handlers", "2");
    expect(code).to.equal(0);
    expect(said).to.match(
      /(docker compose|docker-compose) finds nothing wrong|not checked: there is no docker/,
    );
    const { services, volumes } = await file();
    expect(Object.keys(services)).to.have.members(["postgres", "web", "handler", "handler-special"]);
    expect(services.handler.command).to.deep.equal([
      "galaxy-handler",
      "--server-name",
      "handler-%h",
      "--attach-to-pool",
      "job-handlers",
    ]);
    expect(services["handler-special"].command.slice(-1)).to.deep.equal(["job-handlers.special"]);
    expect(services["handler-special"].deploy.replicas).to.equal(2);
    expect(services.web.ports).to.deep.equal(["${GALAXY_PUBLISH:-127.0.0.1:9090}:9090"]);
    expect(services.web.user).to.match(/^[1-9]\d*:[1-9]\d*$/);
    expect(services.web.depends_on).to.have.property("postgres");
    const mounts = services.web.volumes.map(({ source, target, read_only }: any) => [
      source === target,
      source,
      read_only === true,
    ]);
    expect(mounts).to.deep.include.members([
      [true, join(folder, "database"), false],
      [true, join(folder, "config"), true],
      [true, join(folder, "tools"), true],
    ]);
    expect(volumes).to.have.property("postgres");
  });

  it("have their secrets in a file for its owner only, which is not written twice", async () => {
    await configure(pools);
    await init("--user", "nobody");
    const path = join(out, "galaxy.env");
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
    const before = await readFile(path, "utf8");
    const [, password] = /^POSTGRES_PASSWORD=(.{40,})$/m.exec(before)!;
    expect(before).to.contain(`galaxy:${password}@postgres:5432/galaxy`);
    expect(await readFile(join(out, "docker-compose.yml"), "utf8")).to.not.contain(password);
    const again = await init("--user", "nobody");
    expect(again.said).to.match(/^unchanged .*galaxy\.env$/m);
    expect(await readFile(path, "utf8")).to.equal(before);
  });

  it("are one for each handler that job_conf defines, and have no database where one is named", async () => {
    await configure(
      { handling: { assign: ["db-preassign"], processes: { big: { tags: ["large"] }, small: null } } },
      { galaxy: { database_connection: "postgresql://galaxy@db.example.org/galaxy" } },
    );
    expect((await init("--user", "nobody")).code).to.equal(0);
    const { services } = await file();
    expect(Object.keys(services)).to.have.members(["web", "handler-big", "handler-small"]);
    expect(services["handler-big"].command).to.deep.equal(["galaxy-handler", "--server-name", "big"]);
  });

  it("are refused where they could not work, with every reason", async () => {
    await configure(pools, {
      web: { http: "127.0.0.1:8080" },
      galaxy: { database_connection: "postgresql://galaxy@localhost/galaxy" },
    });
    const { code, said } = await init("--user", "root");
    expect(code).to.equal(1);
    expect(said)
      .to.match(/--user: containers do not run as root/)
      .and.match(/web\.http: inside a container nobody else reaches/)
      .and.match(/database_connection: localhost is another place inside a container/);
  });

  it("show what would change before it is overwritten", async () => {
    await configure(pools);
    await init("--user", "nobody");
    const refused = await init("--user", "nobody", "--handlers", "9");
    expect(refused.code).to.equal(1);
    expect(refused.said).to.match(/^\+ +replicas: 9$/m);
    expect((await init("--user", "nobody", "--handlers", "9", "--yes")).code).to.equal(0);
    expect((await file()).services.handler.deploy.replicas).to.equal(9);
  });
});
