import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, type ListenerAddress } from "@galaxy-jobs/runtime";
import { StatsServer, type TreeState, type WorkerState } from "@galaxy-jobs/web";
import { expect } from "chai";
import { programs, startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { everything } from "../support/tier.ts";
import { until } from "../support/until.ts";

/** util-linux' `script` gives a program a terminal. */
function hasScript(): boolean {
  try {
    return execFileSync("script", ["--version"], { encoding: "utf8" }).includes("util-linux");
  } catch {
    return false;
  }
}

const worker: WorkerState = {
  id: 1,
  serverName: "main.web.1",
  pid: process.pid,
  status: "busy",
  respawns: 2,
  startedAt: 1_700_000_000_500,
  rss: 90 * 1_048_576,
  requests: 1234,
  avgRtUs: 5678.4,
  busy: 1,
  open: 7,
  txBytes: 3 * 1_048_576,
  harakiris: 3,
  exceptions: 4,
  runningUs: 7_000_000,
};
const state: TreeState = {
  serverName: "main",
  release: "9.9.9",
  directory: "/srv/galaxy",
  masterPid: 4242,
  startedAt: 1_700_000_000_000,
  masterRss: 50 * 1_048_576,
  reloads: 1,
  phase: "running",
  sockets: [
    { id: "http :80", protocol: "http", address: "0.0.0.0:80", backlog: 100, queue: 2, accepted: 99 },
    { id: "socket /s", protocol: "uwsgi", address: "/s", backlog: 100, queue: 5, accepted: 1 },
  ],
  workers: [worker, { ...worker, id: 2, pid: undefined, status: "dead", requests: 0, busy: 0 }],
  mules: [
    {
      id: 1,
      serverName: "main.job-handlers.1",
      pid: 77,
      status: "idle",
      respawns: 0,
      startedAt: 1_700_000_000_000,
      rss: 80 * 1_048_576,
      farm: "job-handlers",
    },
  ],
  farms: [{ name: "job-handlers", mules: [1], waiting: 6 }],
};

describe("the stats socket", function () {
  this.timeout(60_000);
  let folder: string;
  let server: StatsServer | undefined;
  before(async () => (folder = await mkdtemp(join(tmpdir(), "galaxy-stats-"))));
  after(() => rm(folder, { recursive: true, force: true }));
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });
  async function start(address: ListenerAddress, shown: TreeState = state): Promise<string> {
    server = new StatsServer({ address, state: () => shown, logger: silentLogger });
    await server.start();
    return server.address!;
  }

  it("tells the tree as one document in the fields of uWSGI, and closes", async () => {
    const path = join(folder, "stats.sock");
    await start({ path, mode: 0o600 });
    const text = await everything(connect(path));
    const document = JSON.parse(text);
    expect(document).to.include({
      version: "9.9.9",
      listen_queue: 5,
      load: 5,
      pid: 4242,
      uid: process.getuid!(),
      gid: process.getgid!(),
      cwd: process.cwd(),
    });
    expect(document.sockets[1]).to.include({ name: "/s", proto: "uwsgi", queue: 5, max_queue: 100 });
    const [first, second] = document.workers;
    expect(first).to.include({
      id: 1,
      pid: process.pid,
      accepting: 1,
      requests: 1234,
      delta_requests: 1234,
      exceptions: 4,
      harakiri_count: 3,
      signals: 0,
      respawn_count: 2,
      status: "busy",
      rss: 90 * 1_048_576,
      running_time: 7_000_000,
      last_spawn: 1_700_000_000,
      tx: 3 * 1_048_576,
      avg_rt: 5678,
    });
    expect(first.vsz).to.be.greaterThan(90 * 1_048_576);
    expect(first.cores[0]).to.include({ id: 0, requests: 1234, in_request: 1 });
    expect(second).to.include({ pid: 0, accepting: 0, status: "cheap", vsz: 0 });
    expect(document.mules[0]).to.include({ farm: "job-handlers", server_name: "main.job-handlers.1" });
    expect(document.farms).to.deep.equal([{ name: "job-handlers", mules: [1], waiting: 6 }]);
    expect(text.trim().split("\n")).to.have.length(1);
  });

  it("has numbers and words only where uwsgitop formats numbers and words", async () => {
    const address = await start({ host: "127.0.0.1", port: 0 });
    const document = JSON.parse(await everything(connect(Number(address.split(":")[1]), "127.0.0.1")));
    for (const entry of document.workers) {
      for (const field of [
        "id",
        "pid",
        "requests",
        "exceptions",
        "avg_rt",
        "rss",
        "vsz",
        "tx",
        "running_time",
      ])
        expect(entry[field], field).to.be.a("number");
      expect(["idle", "busy", "cheap", "pause", "sig"]).to.include(entry.status);
      expect(entry.cores).to.have.length(1);
    }
  });

  it("leaves no socket behind, takes over one that was left behind, and not one that is in use", async () => {
    const path = join(folder, "again.sock");
    await start({ path });
    const second = new StatsServer({ address: { path }, state: () => state, logger: silentLogger });
    let message = "";
    await second.start().catch((error: Error) => (message = error.message));
    expect(message).to.equal(
      `cannot listen on ${path}: another program does; stop it or choose another path`,
    );
    expect(JSON.parse(await everything(connect(path))).pid).to.equal(4242);
  });

  it("has a clear error for a path that is too long, a missing folder, and a file that is no socket", async () => {
    const fault = (path: string) =>
      start({ path }).then(
        () => "it started",
        (error: Error) => error.message,
      );
    expect(await fault(join(folder, "x".repeat(120)))).to.match(/has \d+ bytes; the system allows 107/);
    expect(await fault(join(folder, "none", "s.sock"))).to.match(/the folder .*none does not exist; make it/);
    expect(await fault("/etc/passwd")).to.match(/there is a file that is no socket/);
  });

  describe("and galaxyctl top", () => {
    let galaxy: Galaxy;
    before(async () => (galaxy = await startGalaxy({ handlers: ["handler0"] })));
    after(() => galaxy?.stop());

    const top = (...args: string[]) =>
      new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
        const child = execFile(
          process.execPath,
          [programs.ctl, "top", "-c", galaxy.configFile, ...args],
          { timeout: 30_000 },
          (_, stdout, stderr) => resolve({ status: child.exitCode ?? -1, stdout, stderr }),
        );
      });

    it("shows workers, mules, handlers and jobs once where there is no terminal", async () => {
      const address = await start({ host: "127.0.0.1", port: 0 }, { ...state, serverName: "evil\u001b[31m" });
      const { status, stdout, stderr } = await top("--stats", address);
      expect(`${status}${stderr}`).to.equal("0");
      expect(stdout).to.match(/web: pid 4242, running, 1234 requests, 6\.0M sent, queue 5/);
      expect(stdout).to.match(
        new RegExp(`^1 +${process.pid} +busy +1234 +5\\.7 +4 +3 +2 +90\\.0M +3\\.0M$`, "m"),
      );
      expect(stdout).to.match(/^1 +77 +idle +job-handlers +main\.job-handlers\.1 +0 +80\.0M$/m);
      expect(stdout).to.match(/^handler0 /m);
      expect(stdout).to.not.contain("\u001b");
    });

    it("is live in a terminal: new numbers come by themselves, q quits and leaves the terminal as it was", async function () {
      if (!hasScript()) {
        console.log("      (needs the program script of util-linux)");
        this.skip();
      }
      let requests = 1234;
      server = new StatsServer({
        address: { host: "127.0.0.1", port: 0 },
        state: () => ({ ...state, workers: [{ ...worker, requests: (requests += 1) }] }),
        logger: silentLogger,
      });
      await server.start();
      const command = [process.execPath, programs.ctl, "top", "-c", galaxy.configFile, "--interval", "0.1"];
      const shell = `${[...command, "--stats", server.address!].join(" ")}; echo ended with $?`;
      const terminal = spawn("script", ["-qfc", shell, "/dev/null"], {
        stdio: ["pipe", "pipe", "inherit"],
        env: { ...process.env, TERM: "xterm" },
      });
      const ended = once(terminal, "close");
      let shown = "";
      terminal.stdout.on("data", (chunk: Buffer) => (shown += chunk.toString()));
      const shows = (pattern: RegExp) =>
        until(() => pattern.test(shown), { what: String(pattern), deadline: 20_000 });
      try {
        await shows(/1239 requests/);
        expect(shown).to.contain("\u001b[?1049h");
        terminal.stdin.write("q");
        await shows(/ended with 0/);
        expect(shown.indexOf("\u001b[?1049l")).to.be.greaterThan(shown.indexOf("1239 requests"));
      } finally {
        terminal.stdin.end();
        terminal.kill("SIGKILL");
        await ended;
      }
    });

    it("gives everything as JSON", async () => {
      const address = await start({ host: "127.0.0.1", port: 0 });
      const shown = JSON.parse((await top("--stats", address, "--json")).stdout);
      expect(shown.web.workers[0].requests).to.equal(1234);
      expect(shown.handlers[0].serverName).to.equal("handler0");
    });

    it("shows the handlers when the web tier does not answer, and says what is wrong with it", async () => {
      const path = join(folder, "nobody.sock");
      const { status, stdout } = await top("--stats", path);
      expect(status).to.equal(0);
      expect(stdout).to.contain(`cannot read the stats socket ${path}: nobody listens there`);
      expect(stdout).to.match(/^handler0 /m);
      expect((await top()).stdout).to.contain("web: no stats socket; set the option stats");
      const bad = await top("--stats", "a b");
      expect(bad.status).to.equal(1);
      expect(bad.stderr).to.contain("is no address of a stats socket");
    });
  });
});
