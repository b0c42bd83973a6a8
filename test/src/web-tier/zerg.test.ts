import { execFile } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { askSocket } from "@galaxy-jobs/runtime";
import { programs, repository, startDaemon, type Daemon } from "../support/galaxy.ts";
import { startLoad } from "../support/load.ts";
import { until } from "../support/until.ts";
import { freshStatus, gone, patience, startTree, type WebTree } from "../support/web-tree.ts";

interface PoolState {
  readonly waiting: number;
  readonly generations: readonly { pid: number; phase: string; preferred: boolean; directory: string }[];
}

describe("zerg: a pool owns the sockets, releases take turns", function () {
  this.timeout(5 * patience);
  let site: WebTree;
  let pool: Daemon;
  let address: string;
  let control: string;
  const generations: Daemon[] = [];

  before(async () => {
    // It makes the database and the tools; its webless handler has the jobs, as the document recommends with zerg.
    site = await startTree({
      jobConf: {
        runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner" } },
        execution: { environments: { local: { runner: "local" } } },
        handling: { assign: ["db-skip-locked"] },
      },
      webless: { handler0: ["job-handlers"] },
    });
    control = join(site.folder, "pool.sock");
    await writeFile(
      join(site.folder, "pool.yml"),
      `web:\n  zerg-pool: ${control}:127.0.0.1:0\ngalaxy:\n  single_user: tester@example.org\n`,
    );
    await startPool();
  });
  after(async () => {
    await Promise.all(generations.map((generation) => generation.stop()));
    await pool.stop();
    await site.stop();
  });

  async function startPool(): Promise<void> {
    pool = startDaemon("pool", programs.web, ["-c", join(site.folder, "pool.yml")]);
    [, address] = (await pool.line(/web\.listening\b.*?\b(http:\/\/[^\s"]+)/, patience)) as unknown as [
      string,
      string,
    ];
  }

  /** A release in a folder of its own. */
  async function writeGeneration(name: string): Promise<string> {
    const folder = join(site.folder, name);
    await mkdir(folder);
    await cp(join(site.folder, "tools"), join(folder, "tools"), { recursive: true });
    const config = JSON.parse(await readFile(site.configFile, "utf8"));
    config.web = { zerg: control, processes: 2 };
    config.galaxy.galaxy_root = folder;
    config.galaxy.data_dir = join(site.folder, "database");
    await writeFile(join(folder, "galaxy.yml"), JSON.stringify(config));
    return folder;
  }

  async function startGeneration(name: string): Promise<Daemon> {
    const folder = await writeGeneration(name);
    const generation = startDaemon(name, programs.web, ["-c", join(folder, "galaxy.yml")]);
    generations.push(generation);
    await generation.line(/daemon\.ready server=main( |$)/, patience);
    return generation;
  }

  async function ctl(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, [programs.ctl, ...args], {
      timeout: patience,
    });
    return stdout;
  }

  const state = async () => (await askSocket(control, { ask: "state" }, 20_000)) as unknown as PoolState;

  it("holds a request until the first release attaches", async () => {
    const answer = fetch(`${address}/api/version`, { signal: AbortSignal.timeout(patience) });
    await until(async () => (await state()).waiting === 1, {
      what: "the request to wait",
      deadline: patience,
    });
    await startGeneration("release-1");
    expect((await answer).status).to.equal(200);
  });

  it("lets a new release from another folder take over without one failed request", async () => {
    const load = startLoad(`${address}/api/version`);
    for (const number of [2, 3]) {
      const old = generations.at(-1)!;
      await startGeneration(`release-${number}`);
      await gone([old.child.pid!]);
      const { generations: attached } = await state();
      expect(attached.map(({ directory, preferred }) => [directory, preferred])).to.deep.equal([
        [join(site.folder, `release-${number}`), true],
      ]);
      expect(await old.stop()).to.equal(0);
    }
    const { answered, failed } = await load.stop();
    expect(failed).to.equal(0);
    expect(answered).to.be.greaterThan(100);
  });

  it("runs jobs through whichever release is there", async () => {
    const response = await fetch(`${address}/api/tools`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ tool_id: "short", inputs: {} }),
    });
    expect(response.status).to.equal(200);
    const [job] = await site.database.sql<{ id: number }[]>`select max(id)::int as id from job`;
    expect(await site.job(job!.id, "ok", "error")).to.include({ state: "ok", handler: "handler0" });
  });

  it("replaces a worker of the release that was killed, and a release whose master was killed is forgotten", async () => {
    const last = generations.at(-1)!;
    const tree = await askSocket(join(site.folder, "database", "main.web.sock"), { ask: "state" }, 20_000);
    const workers = tree!["workers"] as { pid: number }[];
    process.kill(workers[0]!.pid, "SIGKILL");
    expect(await freshStatus(`${address}/api/version`)).to.equal(200);
    const running = (await askSocket(
      join(site.folder, "database", "main.web.sock"),
      { ask: "state" },
      20_000,
    ))!["workers"] as { pid: number }[];
    last.child.kill("SIGKILL");
    await gone(running.flatMap(({ pid }) => pid ?? []));
    await until(async () => (await state()).generations.length === 0, {
      what: "the pool to forget it",
      deadline: patience,
    });
    await startGeneration("release-4");
    expect(await freshStatus(`${address}/api/version`)).to.equal(200);
  });

  it("takes over by `galaxyctl web attach`, which waits for it", async () => {
    const folder = join(site.folder, "release-5");
    await writeGeneration("release-5");
    const config = join(folder, "galaxy.yml");
    const said = await ctl("-c", config, "web", "attach", repository);
    expect(said).to.match(/generation \d+ has the connections now/);
    const { generations: attached } = await state();
    expect(attached.filter(({ preferred }) => preferred).map(({ directory }) => directory)).to.deep.equal([
      folder,
    ]);
    expect(await ctl("-c", join(site.folder, "pool.yml"), "web", "status")).to.include(folder);
    process.kill(attached.find(({ preferred }) => preferred)!.pid, "SIGTERM");
    await gone(attached.map(({ pid }) => pid));
    await startGeneration("release-6");
  });

  it("attaches again to a pool that was killed and started anew", async () => {
    await pool.stop("SIGKILL");
    await startPool();
    await until(async () => (await state()).generations.some(({ preferred }) => preferred), {
      what: "the release to attach again",
      deadline: patience,
    });
    expect(await freshStatus(`${address}/api/version`)).to.equal(200);
  });

  it("a release without its pool says which one to start", async () => {
    const folder = join(site.folder, "alone");
    await mkdir(folder);
    await writeFile(
      join(folder, "galaxy.yml"),
      JSON.stringify({
        web: { zerg: join(folder, "no.sock") },
        galaxy: { database_connection: site.database.url, single_user: "tester@example.org" },
      }),
    );
    const alone = startDaemon("alone", programs.web, ["-c", join(folder, "galaxy.yml")]);
    expect(await once(alone.child, "close")).to.deep.equal([1, null]);
    expect(alone.lines.join("\n")).to.match(
      /^galaxy-web: no zerg pool listens on .*: start the one that has zerg-pool/m,
    );
  });
});
