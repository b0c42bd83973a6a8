import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { expect } from "chai";
import postgres from "postgres";
import { ensureEmbeddedDatabase, type DatabaseConnection } from "@galaxy-jobs/runtime";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";

/** A process that uses the embedded database, says where it is, and leaves when its standard input ends. */
const USER_PROCESS = `
  import { ensureEmbeddedDatabase } from "@galaxy-jobs/runtime";
  const database = await ensureEmbeddedDatabase({ directory: process.argv[1], durable: false });
  console.log(JSON.stringify(database.connection));
  process.stdin.resume().once("end", () => void database.release());
`;

interface UserProcess {
  readonly child: ChildProcess;
  readonly connection: DatabaseConnection;
}

describe("The embedded database", () => {
  let made: string;
  let root: string;
  let directory: string;
  const children: ChildProcess[] = [];

  before(async () => {
    made = await traversableFolder("galaxy-test-embedded-database-");
    const { release } = await ensureEmbeddedDatabase({ directory: join(made, "postgres"), durable: false });
    await release();
  });

  after(() => rm(made, { recursive: true, force: true }));

  beforeEach(async () => {
    root = await traversableFolder("galaxy-test-embedded-database-");
    directory = join(root, "postgres");
    // A copy takes a tenth of the time of a new cluster.
    await promisify(execFile)("cp", ["-a", join(made, "postgres"), directory]);
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
    const pid = await postmasterPid();
    if (pid !== undefined && (await isServer(pid))) {
      process.kill(pid, "SIGINT");
      await untilEnded(pid);
    }
    await rm(root, { recursive: true, force: true });
  });

  it("is one server for ten processes that start at once in an empty folder, and the last one out stops it", async () => {
    await rm(directory, { recursive: true });
    const users = await Promise.all(Array.from({ length: 10 }, () => startUser()));
    const pid = await livingPostmaster();
    const hosts = new Set(users.map(({ connection }) => connection.host));
    expect(hosts.size).to.equal(1);
    expect(await readdir(directory)).to.deep.equal(["cluster"]);
    const starts = (await serverLog())
      .split("\n")
      .filter((line) => line.includes("ready to accept connections"));
    expect(starts).to.have.length(1);

    await Promise.all(users.slice(1).map(leave));
    expect(await isServer(pid)).to.equal(true);
    await leave(users[0]!);
    expect(await isServer(pid)).to.equal(false);
    expect(existsSync(pidFile())).to.equal(false);
  });

  it("is stopped when all leave at once", async () => {
    const users = await Promise.all(Array.from({ length: 4 }, () => startUser()));
    const pid = await livingPostmaster();
    await Promise.all(users.map(leave));
    expect(await isServer(pid)).to.equal(false);
  });

  it("listens on no address, keeps its socket and password to its user, and does not run as root", async () => {
    const { connection, release } = await ensureEmbeddedDatabase({ directory });
    const sql = connect(connection);
    try {
      const [row] = await sql<Record<string, string>[]>`
        select current_setting('listen_addresses') as addresses, current_setting('fsync') as fsync,
          current_setting('max_connections') as connections, current_setting('shared_buffers') as buffers,
          current_database() as database, pg_encoding_to_char(encoding) as encoding, datcollate as collate
        from pg_database where datname = current_database()`;
      expect(row).to.deep.equal({
        addresses: "",
        fsync: "on",
        connections: "200",
        buffers: "128MB",
        database: "galaxy",
        encoding: "UTF8",
        collate: "C",
      });
      expect((await stat(connection.host)).mode & 0o777).to.equal(0o700);
      expect((await stat(join(directory, "cluster", "password"))).mode & 0o777).to.equal(0o600);
      const pid = await livingPostmaster();
      expect((await stat(`/proc/${pid}`)).uid).to.equal((await stat(join(directory, "cluster", "data"))).uid);
      if (process.getuid?.() === 0) expect((await stat(`/proc/${pid}`)).uid).to.not.equal(0);
    } finally {
      await sql.end();
      await release();
    }
  });

  it("refuses a wrong password", async () => {
    const { connection, release } = await ensureEmbeddedDatabase({ directory, durable: false });
    const sql = connect({ ...connection, password: "guess" });
    const error = await sql`select 1`.then(
      () => undefined,
      (reason: unknown) => reason as { code?: string },
    );
    await sql.end();
    await release();
    expect(error?.code).to.equal("28P01");
  });

  it("keeps its data when it is stopped and started again", async () => {
    const first = await ensureEmbeddedDatabase({ directory });
    await query(first.connection, "create table kept as select 42 as answer");
    await first.release();
    await first.release();
    const second = await ensureEmbeddedDatabase({ directory });
    const rows = await query(second.connection, "select answer from kept");
    await second.release();
    expect(rows).to.deep.equal([{ answer: 42 }]);
  });

  it("stays while another client is connected", async () => {
    const { connection, release } = await ensureEmbeddedDatabase({ directory, durable: false });
    const sql = connect(connection);
    await sql`select 1`;
    await release();
    expect(await sql`select 1 as one`).to.deep.equal([{ one: 1 }]);
    await sql.end();
  });

  it("outlives the kill -9 of the process that started it, and the next one finds it", async () => {
    const starter = await startUser();
    const pid = await livingPostmaster();
    starter.child.kill("SIGKILL");
    await once(starter.child, "exit");
    const { release } = await ensureEmbeddedDatabase({ directory, durable: false });
    expect(await postmasterPid()).to.equal(pid);
    await release();
    expect(await isServer(pid)).to.equal(false);
  });

  it("is there for the next process after the kill -9 of its postmaster", async () => {
    const starter = await startUser();
    await query(starter.connection, "create table kept as select 42 as answer");
    starter.child.kill("SIGKILL");
    await once(starter.child, "exit");
    const pid = await livingPostmaster();
    process.kill(pid, "SIGKILL");
    const { connection, release } = await ensureEmbeddedDatabase({ directory, durable: false });
    expect(await livingPostmaster()).to.not.equal(pid);
    const rows = await query(connection, "select answer from kept");
    await release();
    expect(rows).to.deep.equal([{ answer: 42 }]);
  });

  it("comes back to those who use it after the kill -9 of its postmaster", async () => {
    const users = await Promise.all(Array.from({ length: 4 }, () => startUser()));
    const pid = await livingPostmaster();
    process.kill(pid, "SIGKILL");
    const next = await until(
      async () => {
        const found = await postmasterPid();
        return found !== undefined && found !== pid && (await isServer(found)) ? found : undefined;
      },
      // As long as its users try.
      { what: "a new postmaster", deadline: 30_000 },
    ).catch(async (error: Error) => {
      throw new Error(`${error.message}; the server's log:\n${await serverLog()}`, { cause: error });
    });
    await until(async () => (await query(users[0]!.connection, "select 1").catch(() => [])).length === 1, {
      what: "a new server that answers",
      deadline: 30_000,
    });
    await Promise.all(users.map(leave));
    expect(await isServer(next)).to.equal(false);
  });

  it("starts although its pid file names a living process of somebody else", async () => {
    const { connection, release } = await ensureEmbeddedDatabase({ directory, durable: false });
    await release();
    const { uid, gid } = await stat(join(directory, "cluster", "data"));
    const account = process.getuid?.() === 0 ? { uid, gid } : {};
    const foreigner = spawn("sleep", ["60"], { ...account, cwd: "/", stdio: "ignore" });
    children.push(foreigner);
    await once(foreigner, "spawn");
    const lock = `${foreigner.pid}\n${join(directory, "cluster", "data")}\n1700000000\n5432\n${connection.host}\n\n`;
    await writeFile(pidFile(), lock);
    await writeFile(join(connection.host, ".s.PGSQL.5432.lock"), lock);
    const again = await ensureEmbeddedDatabase({ directory, durable: false });
    expect(await query(again.connection, "select 1 as one")).to.deep.equal([{ one: 1 }]);
    await again.release();
    expect(foreigner.exitCode).to.equal(null);
    expect(foreigner.signalCode).to.equal(null);
  });

  it("gives a process that comes while it is being stopped a running server", async () => {
    for (let round = 0; round < 5; round++) {
      const leaving = await ensureEmbeddedDatabase({ directory, durable: false });
      const stopped = leaving.release();
      const coming = await ensureEmbeddedDatabase({ directory, durable: false });
      await stopped;
      expect(await query(coming.connection, "select 1 as one")).to.deep.equal([{ one: 1 }]);
      await coming.release();
    }
  });

  it("puts its socket into the folder for temporary files when the path is too long", async () => {
    const longer = join(root, "a-folder-with-a-very-long-name".repeat(4));
    await rename(directory, longer);
    directory = longer;
    const { connection, release } = await ensureEmbeddedDatabase({ directory, durable: false });
    expect(connection.host).to.match(/\/galaxy-jobs-[0-9a-f]{16}$/);
    expect((await stat(connection.host)).mode & 0o777).to.equal(0o700);
    expect(await query(connection, "select 1 as one")).to.deep.equal([{ one: 1 }]);
    await release();
    await rm(connection.host, { recursive: true });
  });

  it("says why it cannot start, with the end of the server's log", async () => {
    const { release } = await ensureEmbeddedDatabase({ directory, durable: false });
    await release();
    await writeFile(join(directory, "cluster", "data", "postgresql.conf"), "no_such_setting = 1\n");
    const error = await ensureEmbeddedDatabase({
      directory,
      durable: false,
      deadline: 1500,
    }).catch((reason: unknown) => reason as Error);
    expect(error).to.be.instanceOf(Error);
    expect((error as Error).message).to.contain("no_such_setting");
  });

  async function startUser(): Promise<UserProcess> {
    const child = spawn(process.execPath, ["--input-type=module", "-e", USER_PROCESS, directory], {
      cwd: import.meta.dirname,
      stdio: ["pipe", "pipe", "inherit"],
    });
    children.push(child);
    const lines = createInterface({ input: child.stdout });
    const [line] = (await Promise.race([
      once(lines, "line"),
      once(child, "exit").then(([code]) => Promise.reject(new Error(`it ended with exit code ${code}`))),
    ])) as [string];
    return { child, connection: JSON.parse(line) as DatabaseConnection };
  }

  async function leave({ child }: UserProcess): Promise<void> {
    const ended = once(child, "exit");
    child.stdin?.end();
    const [code] = (await ended) as [number | null];
    expect(code).to.equal(0);
  }

  async function query(connection: DatabaseConnection, statement: string): Promise<unknown[]> {
    const sql = connect(connection);
    try {
      return [...(await sql.unsafe(statement))];
    } finally {
      await sql.end();
    }
  }

  function pidFile(): string {
    return join(directory, "cluster", "data", "postmaster.pid");
  }

  async function postmasterPid(): Promise<number | undefined> {
    const text = await readFile(pidFile(), "utf8").catch(() => undefined);
    const pid = Number(text?.split("\n")[0]);
    return pid > 1 ? pid : undefined;
  }

  async function livingPostmaster(): Promise<number> {
    const pid = await postmasterPid();
    if (pid === undefined || !(await isServer(pid))) throw new Error("no server runs");
    return pid;
  }

  async function isServer(pid: number): Promise<boolean> {
    const arguments_ = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return arguments_.includes(join(directory, "cluster", "data"));
  }

  async function untilEnded(pid: number): Promise<void> {
    await until(async () => !(await isServer(pid)), { what: `the end of the server ${pid}` });
  }

  function serverLog(): Promise<string> {
    return readFile(join(directory, "cluster", "server.log"), "utf8");
  }
});

function connect(connection: DatabaseConnection): postgres.Sql {
  return postgres({
    path: `${connection.host}/.s.PGSQL.${connection.port}`,
    database: connection.database,
    user: connection.user,
    password: connection.password ?? "",
    max: 1,
    onnotice: () => undefined,
  });
}
