import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { createDatabase } from "../support/database.ts";
import { programs, startDaemon, watch, type Daemon } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { patience } from "../support/web-tree.ts";

describe("a web tier that cannot start", function () {
  this.timeout(3 * patience);
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let folder: string;
  let config: string;
  before(async () => {
    database = await createDatabase();
    folder = await traversableFolder("galaxy-test-faults-");
    config = join(folder, "galaxy.yml");
  });
  after(async () => {
    await database.drop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const running: Daemon[] = [];
  afterEach(() => Promise.all(running.splice(0).map((daemon) => daemon.stop())));

  function launch(name: string): Daemon {
    const daemon = startDaemon(name, programs.web, ["-c", config]);
    running.push(daemon);
    return daemon;
  }

  function write(web: string, galaxy = ""): void {
    writeFileSync(
      config,
      `web:\n  ${web.split("\n").join("\n  ")}\ngalaxy:\n  database_connection: ${database.url}\n  single_user: a@b.org\n${galaxy}`,
    );
  }

  /** What the program wrote to the terminal itself, and its exit code. */
  async function start(...more: string[]): Promise<{ code: number | string; said: string; log: string }> {
    const daemon = startDaemon("web", programs.web, ["-c", config, ...more]);
    const [code] = (await once(daemon.child, "close")) as [number];
    const said = daemon.lines.filter((line) => !/^\d{4}-/.test(line));
    return { code, said: said.join("\n"), log: daemon.lines.join("\n") };
  }

  it("names a farm whose mule does not exist, and a mule in two farms or none, all at once", async () => {
    write("mule: a\nmule: b\nfarm: job-handlers:1,3\nfarm: job-handlers.special:1");
    const { code, said } = await start();
    expect(code).to.equal(1);
    expect(said).to.match(/web\.farm: the farm job-handlers names mule 3, and there are 2 mules/);
    expect(said).to.match(/mule 1 is in the farms job-handlers and job-handlers\.special/);
    expect(said).to.match(/web\.mule: mule 2 is in no farm/);
  });

  it("names a port in use", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    write(`master: true\nhttp: 127.0.0.1:${port}`);
    const { code, said, log } = await start();
    await close(other);
    expect(code).to.equal(1);
    expect(said).to.match(
      new RegExp(`^galaxy-web: cannot listen on 127\\.0\\.0\\.1:${port}: another program does`),
    );
    expect(log).to.not.include("child.started");
  });

  it("names a socket path that is too long", async () => {
    write(`socket: ${join(folder, "x".repeat(120))}`);
    const { code, said } = await start();
    expect(code).to.equal(1);
    expect(said).to.match(/web\.socket: the path of the socket is \d+ bytes long, the system takes 107/);
  });

  it("leaves a socket alone that somebody listens on, and replaces one that is left over", async () => {
    const path = join(folder, "web.sock");
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    write(`socket: ${path}`);
    const { code, said } = await start();
    expect(code).to.equal(1);
    expect(said).to.match(/cannot listen on .*web\.sock: another program does/);
    await close(other);
    const leftBy = spawn(process.execPath, [
      "-e",
      `require("net").createServer().listen(${JSON.stringify(path)},()=>process.kill(process.pid,9))`,
    ]);
    await once(leftBy, "exit");
    expect(existsSync(path)).to.equal(true);
    const web = launch("web");
    await web.line(/daemon\.ready/, patience);
    expect(await web.stop()).to.equal(0);
    expect(existsSync(path)).to.equal(false);
  });

  it("leaves a file alone that is no socket", async () => {
    const path = join(folder, "a-file");
    writeFileSync(path, "precious");
    write(`socket: ${path}`);
    const { code, said } = await start();
    expect(code).to.equal(1);
    expect(said).to.match(/there is a file which is no socket/);
    expect(readFileSync(path, "utf8")).to.equal("precious");
  });

  it("names the owner of a socket that it may not touch", async function () {
    if (process.getuid!() !== 0) this.skip();
    const path = join(folder, "foreign.sock");
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    chmodSync(path, 0o600);
    write(`socket: ${path}`);
    // As somebody else: root may touch anything.
    const child = spawn(process.execPath, [programs.web, "-c", config], {
      uid: 65534,
      gid: 65534,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const daemon = watch("web", child);
    expect(await once(child, "close")).to.deep.equal([1, null]);
    expect(daemon.lines.join("\n")).to.match(
      /cannot listen on .*: the socket belongs to somebody else \(uid 0\)/,
    );
    await close(other);
  });

  it("refuses a second master with the same pid file, whichever way it is given", async () => {
    for (const option of ["pidfile", "pidfile2"]) {
      const pidFile = join(folder, `${option}.pid`);
      write(`master: true\nhttp: 127.0.0.1:0\n${option}: ${pidFile}`);
      const first = launch("first");
      await first.line(/daemon\.ready server=main( |$)/, patience);
      expect(Number.parseInt(readFileSync(pidFile, "utf8"), 10)).to.equal(first.child.pid);
      const { code, said, log } = await start();
      expect(code).to.equal(1);
      expect(said).to.equal(`galaxy-web: already running with pid ${first.child.pid} (${pidFile})`);
      expect(log).to.not.include("child.started");
      expect(await first.stop()).to.equal(0);
      expect(existsSync(pidFile)).to.equal(false);
    }
  });

  it("says in one place what its workers could not, and leaves none of them", async () => {
    write("processes: 2\nhttp: 127.0.0.1:0", "  tool_path: nowhere\n");
    await database.sql`insert into schema_migration (version, name, checksum) values (9999, '9999_future', '')`;
    const { code, said } = await start();
    await database.sql`delete from schema_migration where version = 9999`;
    expect(code).to.equal(1);
    expect(said).to.match(/^galaxy-web: main\.web\.[12] did not start: .*at migration 9999/);
    expect(said.split("\n")).to.have.length(1);
  });

  it("writes the files of logto2 and pidfile2 only when the application has loaded", async () => {
    const log = join(folder, "late.log");
    const pidFile = join(folder, "late.pid");
    write(`http: 127.0.0.1:0\nlogto2: ${log}\npidfile2: ${pidFile}`);
    await database.sql`insert into schema_migration (version, name, checksum) values (9999, '9999_future', '')`;
    expect((await start()).code).to.equal(1);
    await database.sql`delete from schema_migration where version = 9999`;
    expect([existsSync(log), existsSync(pidFile)]).to.deep.equal([false, false]);
    write(`http: 127.0.0.1:0\ndaemonize2: ${log}\npidfile2: ${pidFile}`);
    const { code, said } = await start();
    expect(said).to.match(/running in the background with pid \d+/);
    expect(code).to.equal(0);
    expect(existsSync(log) && existsSync(pidFile)).to.equal(true);
    expect((await start("--stop-daemon")).said).to.match(/stopped \(pid \d+\)/);
  });

  it("binds its sockets as root and runs as the account of uid and gid", async function () {
    if (process.getuid!() !== 0) this.skip();
    // The account of the test's own PostgreSQL, whose socket is for it.
    const account = execFileSync("getent", ["passwd", "postgres"], { encoding: "utf8" }).split(":");
    const [uid, gid] = [Number(account[2]), Number(account[3])];
    const data = join(folder, "database-of-account");
    await mkdir(data);
    chownSync(data, uid, gid);
    const socket = join(folder, "web.sock");
    write(
      `shared-socket: 127.0.0.1:${await lowPort()}\nhttp: =0\nsocket: ${socket}\nchmod-socket: 660\nchown-socket: postgres\n` +
        `processes: 1\nmaster: true\nuid: postgres\ngid: ${gid}\nlogto: ${join(folder, "web.log")}`,
      `  data_dir: ${data}\n`,
    );
    const web = launch("web");
    const log = () =>
      existsSync(join(folder, "web.log")) ? readFileSync(join(folder, "web.log"), "utf8") : "";
    await until(
      () => {
        if (web.child.exitCode !== null) throw new Error(`it ended:\n${web.lines.join("\n")}\n${log()}`);
        return /daemon\.ready server=main( |$)/m.test(log());
      },
      { what: "the start", deadline: patience },
    );
    const address = /web\.listening.*?(http:\/\/[^\s"]+)/.exec(log())![1]!;
    expect(Number(new URL(address).port || 80)).to.be.lessThan(1024);
    expect((await fetch(`${address}/api/version`)).status).to.equal(200);
    const worker = Number(/child\.started.*pid=(\d+)/.exec(log())![1]);
    for (const pid of [web.child.pid!, worker]) {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      expect(/^Uid:\s+(.*)$/m.exec(status)![1]!.split("\t")).to.deep.equal(Array(4).fill(String(uid)));
      expect(/^Gid:\s+(.*)$/m.exec(status)![1]!.split("\t")).to.deep.equal(Array(4).fill(String(gid)));
      expect(/^Groups:\s*(.*)$/m.exec(status)![1]!.trim().split(" ")).to.not.include("0");
    }
    const found = statSync(socket);
    expect([found.mode & 0o777, found.uid]).to.deep.equal([0o660, uid]);
    expect(await web.stop()).to.equal(0);
  });
});

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** A free port below 1024. */
async function lowPort(): Promise<number> {
  for (let port = 1023; port > 600; port -= 1) {
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await close(server);
    return port;
  }
  throw new Error("no free port below 1024");
}
