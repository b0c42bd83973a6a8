import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureEmbeddedDatabase } from "@galaxy-jobs/runtime";
import { migrate, openDatabase, type DatabaseAddress } from "@galaxy-jobs/shared-db";

/** A PostgreSQL server of the test run's own. */
export interface TestServer {
  /** e.g. `embedded PostgreSQL` or `system PostgreSQL 15`. */
  readonly title: string;
  readonly address: DatabaseAddress;
  /** A migrated database that others are copied from. */
  readonly template: string;
  stop(): Promise<void>;
  /** Ends the server as a crash would (SIGQUIT: no checkpoint, every connection cut); only where it is our child. */
  crash?(): Promise<void>;
  /** Starts it again after a crash. */
  restart?(): Promise<void>;
}

/** The embedded server, in a folder of its own. */
export async function startEmbeddedServer(): Promise<TestServer> {
  const folder = await traversableFolder("galaxy-test-embedded-");
  const { connection, release } = await ensureEmbeddedDatabase({
    directory: join(folder, "postgres"),
    durable: false,
  });
  return ready("embedded PostgreSQL", connection, async () => {
    await release();
    await rm(folder, { recursive: true, force: true });
  });
}

/**
 * The PostgreSQL whose programs are in the folder that GALAXY_TEST_POSTGRES_BIN names, else the newest one that the machine
 * has by its package system; undefined where there is none.
 */
export async function startSystemServer(): Promise<TestServer | undefined> {
  const bin = process.env["GALAXY_TEST_POSTGRES_BIN"] ?? (await newestSystemPrograms());
  if (bin === undefined) return undefined;
  const folder = await traversableFolder("galaxy-test-system-");
  const user = await serverUser();
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const as = user === undefined ? {} : user;
  const initdb = spawn(
    join(bin, "initdb"),
    ["-D", data, "-U", "galaxy", "-A", "trust", "--no-sync", "--locale=C", "--encoding=UTF8"],
    {
      stdio: "ignore",
      ...as,
    },
  );
  const [code] = (await once(initdb, "exit")) as [number | null];
  if (code !== 0) throw new Error(`${bin}/initdb failed with exit code ${code}`);
  const version = (await readFile(join(data, "PG_VERSION"), "utf8")).trim();
  const options = [
    "listen_addresses=",
    `unix_socket_directories=${folder}`,
    "fsync=off",
    "max_connections=200",
  ];
  const start = () =>
    spawn(join(bin, "postgres"), ["-D", data, ...options.flatMap((option) => ["-c", option])], {
      stdio: "ignore",
      ...as,
    });
  let server = start();
  const end = async (signal: NodeJS.Signals) => {
    const ended = server.exitCode === null ? once(server, "exit") : Promise.resolve();
    server.kill(signal);
    await ended;
  };
  const address: DatabaseAddress = { host: folder, port: 5432, database: "postgres", user: "galaxy" };
  const running = await ready(`system PostgreSQL ${version}`, address, async () => {
    await end("SIGINT");
    await rm(folder, { recursive: true, force: true });
  });
  return {
    ...running,
    crash: () => end("SIGQUIT"),
    restart: () => {
      server = start();
      return Promise.resolve();
    },
  };
}

async function newestSystemPrograms(): Promise<string | undefined> {
  const versions = await readdir("/usr/lib/postgresql").catch(() => [] as string[]);
  const version = versions.toSorted((a, b) => Number(b) - Number(a))[0];
  return version === undefined ? undefined : `/usr/lib/postgresql/${version}/bin`;
}

async function ready(
  title: string,
  address: DatabaseAddress,
  stop: () => Promise<void>,
): Promise<TestServer> {
  const template = "galaxy_template";
  const admin = openDatabase(address, { applicationName: "test-setup", maxConnections: 1 });
  try {
    await untilUp(() => admin`select 1`);
    await admin.unsafe(`create database ${template}`);
  } finally {
    await admin.end();
  }
  const database = openDatabase(
    { ...address, database: template },
    { applicationName: "test-setup", maxConnections: 2 },
  );
  await migrate(database);
  await database.end();
  return { title, address, template, stop };
}

async function untilUp(probe: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      await probe();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** PostgreSQL refuses to run as root. */
async function serverUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const line = (await readFile("/etc/passwd", "utf8"))
    .split("\n")
    .find((entry) => entry.startsWith("postgres:") || entry.startsWith("nobody:"));
  const [, , uid, gid] = (line ?? "nobody:x:65534:65534").split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

/** A temporary folder that a server under another user can reach. */
export async function traversableFolder(prefix: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  await chmod(folder, 0o755);
  return folder;
}
