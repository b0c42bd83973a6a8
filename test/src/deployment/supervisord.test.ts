import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { createDatabase } from "../support/database.ts";
import { traversableFolder } from "../support/servers.ts";
import { needsSupervisord, startSupervisord, type Supervisord } from "../support/supervisord.ts";
import { until } from "../support/until.ts";

const execute = promisify(execFile);

/** The tool waits for a file, and leaves a line for each time that it ran. */
const gatedTool = (folder: string): string => `class: GalaxyUserTool
id: gated
name: Waits for a gate
version: "1.0"
shell_command: echo begun >> ${folder}/record; while [ ! -e ${folder}/gate ]; do sleep 0.1; done
inputs: []
outputs: []
`;

describe("Galaxy under supervisord, by supervisor/galaxy.conf", function () {
  this.timeout(180_000);
  let folder: string;
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let supervisord: Supervisord | undefined;
  let address: string;

  before(async function () {
    await needsSupervisord(this);
    database = await createDatabase();
    folder = await traversableFolder("galaxy-test-supervisor-");
    await mkdir(join(folder, "config"));
    await mkdir(join(folder, "tools"));
    await mkdir(join(folder, "log"));
    await writeFile(join(folder, "record"), "");
    await writeFile(join(folder, "tools", "gated.yml"), gatedTool(folder));
    const galaxy = {
      database_connection: database.url,
      single_user: "tester@example.org",
      tool_path: join(folder, "tools"),
      job_handler_monitor_sleep: 0.2,
      job_config: {
        runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 4 } },
        handling: { assign: ["db-skip-locked"] },
        execution: { default: "local", environments: { local: { runner: "local" } } },
      },
    };
    const config = JSON.stringify({ web: { http: "127.0.0.1:0" }, galaxy });
    await writeFile(join(folder, "config", "galaxy.yml"), config);
    supervisord = await startSupervisord(folder, 60_000);
    ({ address } = supervisord);
  });

  after(async () => {
    await supervisord?.stop();
    await database?.drop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const ctl = async (...words: string[]): Promise<string> => {
    const command = ["-c", join(folder, "supervisord.conf"), ...words];
    // `status` says by its exit code that something does not run.
    const run = execute("supervisorctl", command, { timeout: 120_000 });
    return (await run.catch((error: { stdout: string }) => error)).stdout;
  };
  const pidOf = async (name: string): Promise<number> => Number((await ctl("pid", `galaxy:${name}`)).trim());
  const allRun = (): Promise<true> =>
    until(async () => ((await ctl("status")).match(/RUNNING/g)?.length === 5 ? true : undefined), {
      what: "all to run",
      deadline: 60_000,
      every: 200,
    });
  const whereWebListens = async (): Promise<string> => {
    const log = await readFile(join(folder, "log", "web.log"), "utf8");
    return [...log.matchAll(/web\.listening\b.*?\b(http:\/\/[^\s"]+)/g)].at(-1)![1]!;
  };
  const ask = async (path: string, body?: unknown): Promise<any> => {
    const response = await fetch(`${address}${path}`, {
      ...(body === undefined
        ? {}
        : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const submit = async (): Promise<string> =>
    (await ask("/api/tools", { tool_id: "gated", inputs: {} })).jobs[0].id as string;
  const job = (id: string, states: readonly string[]): Promise<any> =>
    until(
      async () => {
        const found = await ask(`/api/jobs/${id}?full=true`);
        return states.includes(found.state) ? found : undefined;
      },
      { what: `job ${id} to be ${states.join(" or ")}`, deadline: 60_000 },
    );
  const record = async (): Promise<number> =>
    (await readFile(join(folder, "record"), "utf8")).split("\n").length - 1;

  it("shows web tier and handlers as one group", async () => {
    await allRun();
    const names = (await ctl("status"))
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(/\s+/)[0]);
    const handlers = [0, 1, 2, 3].map((number) => `galaxy:handler${number}`);
    expect(names).to.have.members([...handlers, "galaxy:web"]);
  });

  it("keeps a job going when its handler is killed, and starts that again", async () => {
    const id = await submit();
    const { handler } = await job(id, ["running"]);
    const before = await pidOf(handler);
    process.kill(before, "SIGKILL");
    await until(async () => ![0, before].includes(await pidOf(handler)), {
      what: "another process of that handler",
      deadline: 60_000,
      every: 200,
    });
    await allRun();
    await writeFile(join(folder, "gate"), "");
    expect((await job(id, ["ok", "error"])).state).to.equal("ok");
    expect(await record()).to.equal(1);
    await rm(join(folder, "gate"));
  });

  it("keeps jobs going through restart galaxy:, which nobody has to be killed for", async () => {
    const ids = [await submit(), await submit()];
    for (const id of ids) await job(id, ["running"]);
    const before = await pidOf("web");
    const answer = await ctl("restart", "galaxy:");
    expect(answer.match(/: stopped/g)).to.have.length(5);
    expect(answer.match(/: started/g)).to.have.length(5);
    await allRun();
    expect(await pidOf("web")).to.not.equal(before);
    address = await until(
      async () => ((await whereWebListens()) !== address ? whereWebListens() : undefined),
      {
        what: "the new address",
        deadline: 60_000,
      },
    );
    for (const id of ids) expect((await job(id, ["running"])).state).to.equal("running");
    await writeFile(join(folder, "gate"), "");
    for (const id of ids) expect((await job(id, ["ok", "error"])).state).to.equal("ok");
    expect(await record()).to.equal(3);
    const log = await readFile(join(folder, "supervisord.log"), "utf8");
    expect(log, "a process that had to be killed").to.not.match(/killing '/);
  });
});
