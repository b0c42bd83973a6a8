import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { programs, startDaemon, startGalaxy, type Daemon, type Galaxy } from "../support/galaxy.ts";
import { servers } from "../support/global-setup.ts";
import { recordingTool } from "../support/recording-tool.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";

const execute = promisify(execFile);
const patience = 60_000;

describe("A restore of a backup, by docs/upgrade.md", function () {
  this.timeout(400_000);
  let galaxy: Galaxy;
  let folder: string;
  let bin: string;
  let address: string;
  const later: Daemon[] = [];

  before(async function () {
    const versions = await readdir("/usr/lib/postgresql").catch(() => [] as string[]);
    const newest = versions.toSorted((one, other) => Number(other) - Number(one))[0];
    bin = `/usr/lib/postgresql/${newest}/bin`;
    if (servers.system === undefined || !existsSync(join(bin, "pg_restore"))) {
      this.test!.title = "needs PostgreSQL with pg_dump under /usr/lib/postgresql (package postgresql)";
      this.skip();
    }
    folder = await traversableFolder("galaxy-test-restore-");
    await mkdir(join(folder, "tools"));
    await writeFile(join(folder, "record"), "");
    const waiting = `while [ -d ${folder} ] && [ ! -e ${folder}/gate ]; do sleep 0.1; done`;
    await writeFile(join(folder, "tools", "gated.yml"), recordingTool("gated", folder, waiting));
    await writeFile(join(folder, "tools", "short.yml"), recordingTool("short", folder, "true"));
    galaxy = await startGalaxy({
      which: "system",
      tools: join(folder, "tools"),
      workers: 2,
      galaxy: { cleanup_job: "never" },
    });
    address = galaxy.address;
  });
  after(async () => {
    await Promise.all(later.map((daemon) => daemon.stop()));
    await galaxy?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const ask = async (path: string, body?: unknown): Promise<any> => {
    const response = await fetch(`${address}${path}`, {
      ...(body === undefined
        ? {}
        : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const submit = async (id: string): Promise<string> =>
    (await ask("/api/tools", { tool_id: id, inputs: {} })).jobs[0].id as string;
  const job = (id: string, states: readonly string[]): Promise<any> =>
    until(
      async () => {
        const found = await ask(`/api/jobs/${id}?full=true`);
        return states.includes(found.state) ? found : undefined;
      },
      { what: `job ${id} to be ${states.join(" or ")}`, deadline: patience, every: 100 },
    );
  const start = async (): Promise<void> => {
    const web = startDaemon("web", programs.web, ["-c", galaxy.configFile]);
    later.push(web);
    [, address] = (await web.line(/web\.listening\b.*?\b(http:\/\/[^\s"]+)/, patience)) as unknown as [
      string,
      string,
    ];
    const words = ["-c", galaxy.configFile, "--server-name", "handler0", "--attach-to-pool", "job-handlers"];
    const handler = startDaemon("handler0", programs.handler, words);
    later.push(handler);
    await handler.line(/daemon\.ready/, patience);
  };

  it("collects what ran, runs what waited, and goes on with new jobs, whatever was left after the backup", async () => {
    const connect = (({ host, port, user }) => ["-h", host, "-p", String(port), "-U", user])(
      galaxy.database.address,
    );
    const name = galaxy.database.address.database;
    const dump = join(folder, "galaxy.dump");
    // Two run, two wait for a slot.
    const known = [
      await submit("gated"),
      await submit("gated"),
      await submit("gated"),
      await submit("gated"),
    ];
    for (const id of known.slice(0, 2)) await job(id, ["running"]);
    await execute(join(bin, "pg_dump"), [...connect, "--format=custom", "-f", dump, name]);
    // Work goes on after the backup, and is lost with the disk.
    await writeFile(join(folder, "gate"), "");
    for (const id of known) await job(id, ["ok"]);
    const unknown = [await submit("short"), await submit("short"), await submit("short")];
    for (const id of unknown) await job(id, ["ok"]);
    await Promise.all([galaxy.web.stop(), ...galaxy.handlers.map((handler) => handler.stop())]);
    const words = [...connect, "--clean", "--if-exists", "--no-owner", "-d", name, dump];
    await execute(join(bin, "pg_restore"), words);
    const restored = [programs.ctl, "-c", galaxy.configFile, "db", "restored"];
    expect((await execute(process.execPath, restored)).stdout).to.match(
      /new jobs begin at 10\d{5}; 4 jobs had not ended/,
    );
    await start();
    const ends = await Promise.all(known.map((id) => job(id, ["ok", "error"])));
    expect(ends.map(({ state }) => state)).to.deep.equal(["ok", "ok", "ok", "ok"]);
    const ids = [await submit("short"), await submit("short"), await submit("short"), await submit("short")];
    for (const id of ids) expect((await job(id, ["ok", "error"])).state).to.equal("ok");
    const again = await execute(process.execPath, restored).catch((error: { stderr: string }) => error);
    expect("stderr" in again && again.stderr).to.match(
      /galaxy-handler\/\d+ handler0.*stop all of them first/,
    );
    const ran = (await readFile(join(folder, "record"), "utf8"))
      .trim()
      .split("\n")
      .map((path) => basename(path));
    const starts = (id: number): number => ran.filter((name) => name.startsWith(`${id}.`)).length;
    // What ran when the backup was made is collected; what waited is run, since the backup knows of no run.
    expect([1, 2, 3, 4].map(starts)).to.deep.equal([1, 1, 2, 2]);
    expect(new Set(ran).size, "names of run directories").to.equal(ran.length);
  });
});
