import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { expect } from "chai";
import { askSocket } from "@galaxy-jobs/runtime";
import { createDatabase } from "../support/database.ts";
import { programs } from "../support/galaxy.ts";
import { startLoad } from "../support/load.ts";
import { recordingTool } from "../support/recording-tool.ts";
import { traversableFolder } from "../support/servers.ts";
import { needsSupervisord, startSupervisord, type Supervisord } from "../support/supervisord.ts";
import { until } from "../support/until.ts";

const execute = promisify(execFile);
const patience = 90_000;
const handlers = [0, 1, 2, 3].map((number) => `galaxy:handler${number}`);

describe("galaxyctl rolling-restart under supervisord", function () {
  this.timeout(400_000);
  let folder: string;
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let supervisord: Supervisord | undefined;
  let address: string;

  before(async function () {
    await needsSupervisord(this);
    database = await createDatabase();
    folder = await traversableFolder("galaxy-test-rolling-");
    for (const part of ["config", "tools", "log"]) await mkdir(join(folder, part));
    await writeFile(join(folder, "record"), "");
    await writeFile(join(folder, "tools", "short.yml"), recordingTool("short", folder, "sleep 0.3"));
    const waiting = `while [ -d ${folder} ] && [ ! -e ${folder}/gate ]; do sleep 0.1; done`;
    await writeFile(join(folder, "tools", "gated.yml"), recordingTool("gated", folder, waiting));
    await configure();
    supervisord = await startSupervisord(folder, patience);
    ({ address } = supervisord);
    await until(async () => (await live()).length === 4, { what: "four handlers", deadline: patience });
    await until(async () => (await workers()).length === 2, { what: "two workers", deadline: patience });
    await until(async () => (await pids()).every((pid) => pid > 0), {
      what: "all to count as started",
      deadline: patience,
    });
  });

  after(async () => {
    await supervisord?.stop();
    await database?.drop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const configure = (galaxy: object = {}): Promise<void> => {
    const all = {
      database_connection: database.url,
      single_user: "tester@example.org",
      tool_path: join(folder, "tools"),
      job_handler_monitor_sleep: 0.2,
      job_config: {
        runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 4 } },
        handling: { assign: ["db-skip-locked"] },
        execution: { default: "local", environments: { local: { runner: "local" } } },
      },
      ...galaxy,
    };
    const web = { http: "127.0.0.1:0", master: true, processes: 2 };
    return writeFile(join(folder, "config", "galaxy.yml"), JSON.stringify({ web, galaxy: all }));
  };
  const live = async (): Promise<string[]> =>
    (
      await database.sql<{ serverName: string }[]>`
        select server_name from handler_incarnation where end_time is null order by server_name`
    ).map(({ serverName }) => serverName);
  const workers = async (): Promise<number[]> => {
    const state = await askSocket(join(folder, "database", "main.web.sock"), { ask: "state" }, 20_000).catch(
      () => undefined,
    );
    return ((state?.["workers"] ?? []) as { pid: number; status: string }[])
      .filter(({ status }) => status === "idle" || status === "busy")
      .map(({ pid }) => pid);
  };
  const pids = (): Promise<number[]> =>
    Promise.all(
      handlers.map(async (name) => {
        const words = ["-c", join(folder, "supervisord.conf"), "pid", name];
        return Number((await execute("supervisorctl", words).catch(() => ({ stdout: "0" }))).stdout.trim());
      }),
    );
  const roll = (...words: string[]): Promise<{ code: number; said: string }> => {
    const flags = ["-c", join(folder, "config", "galaxy.yml"), "rolling-restart", "--with", "supervisor"];
    const conf = ["--supervisor-conf", join(folder, "supervisord.conf"), "--timeout", "120"];
    return execute(process.execPath, [programs.ctl, ...flags, ...conf, ...words]).then(
      ({ stdout }) => ({ code: 0, said: stdout }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        said: error.stdout + error.stderr,
      }),
    );
  };
  const submit = async (id: string): Promise<string> => {
    const response = await fetch(`${address}/api/tools`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ tool_id: id, inputs: {} }),
      signal: AbortSignal.timeout(30_000),
    });
    if (!response.ok) throw new Error(`submit: ${response.status} ${await response.text()}`);
    return ((await response.json()) as any).jobs[0].id as string;
  };
  const ended = (count: number): Promise<{ state: string; jobs: number }[]> =>
    until(
      async () => {
        const rows = await database.sql<{ state: string; jobs: number }[]>`
          select state, count(*)::int as jobs from job group by state`;
        return rows.every(({ state }) => state === "ok" || state === "error") &&
          rows.reduce((sum, { jobs }) => sum + jobs, 0) === count
          ? rows
          : undefined;
      },
      { what: `${count} jobs to end`, deadline: patience, every: 200 },
    );

  it("says what it would do, and does nothing", async () => {
    const before = await pids();
    const { code, said } = await roll("--dry-run");
    expect(code).to.equal(0);
    expect(said).to.match(/galaxy:web[^]*galaxy:handler0[^]*galaxy:handler1[^]*galaxy:handler3/);
    expect(await pids()).to.deep.equal(before);
  });

  it("fails no request and loses no job, under load and with jobs that run through it", async () => {
    const before = { handlers: await pids(), workers: await workers() };
    const held = [await submit("gated"), await submit("gated"), await submit("gated")];
    const load = startLoad(`${address}/api/version`, 4, 60);
    const asked = new AbortController();
    const submitted: string[] = [];
    const submitting = (async () => {
      while (!asked.signal.aborted) {
        submitted.push(await submit("short"));
        // Bounded: the machine has other things to do.
        await sleep(150, undefined, { signal: asked.signal }).catch(() => undefined);
      }
    })();
    const { code, said } = await roll();
    asked.abort();
    await submitting;
    const { answered, failed } = await load.stop();
    expect(said).to.match(/renewed galaxy:web\n[^]*renewed galaxy:handler0\n[^]*renewed galaxy:handler3\n/);
    expect(code).to.equal(0);
    expect(failed, `requests that failed, of ${answered + failed}`).to.equal(0);
    expect(answered).to.be.greaterThan(0);
    await writeFile(join(folder, "gate"), "");
    const total = held.length + submitted.length;
    expect(await ended(total)).to.deep.equal([{ state: "ok", jobs: total }]);
    const ran = (await readFile(join(folder, "record"), "utf8")).trim().split("\n");
    expect(ran.length, "starts of jobs").to.equal(total);
    expect(new Set(ran).size, "jobs that started").to.equal(total);
    const after = { handlers: await pids(), workers: await workers() };
    for (const kind of ["handlers", "workers"] as const)
      expect(after[kind].filter((pid) => before[kind].includes(pid))).to.deep.equal([]);
    expect(await live()).to.have.length(4);
  });

  it("stops at the first handler that does not come back, says so, and leaves the others working", async () => {
    await writeFile(join(folder, "file"), "");
    await configure({ job_working_directory: join(folder, "file", "jobs") });
    const before = await pids();
    const { code, said } = await roll("--web", "skip", "--timeout", "20");
    expect(code, said).to.equal(1);
    expect(said).to.match(/^galaxyctl: stopped at galaxy:handler0: /m);
    expect(said).to.match(/renewed: nothing; not touched: galaxy:handler1, galaxy:handler2, galaxy:handler3/);
    expect(said).to.match(/Look into supervisorctl tail galaxy:handler0/);
    expect((await pids()).slice(1)).to.deep.equal(before.slice(1));
    await configure();
    const id = await submit("short");
    await until(
      async () => ((await (await fetch(`${address}/api/jobs/${id}`)).json()) as any).state === "ok",
      { what: "a job that the others run", deadline: patience, every: 200 },
    );
  });
});
