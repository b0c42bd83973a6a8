import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { DatabaseConnection } from "../database-connection.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { FALLBACK_DIRECTORY } from "./binaries.ts";
import { canReach, giveTo, spawnAs } from "./server-account.ts";
import type { ServerAccount } from "./server-account.ts";

export const PORT = 5432;
const SOCKET_NAME = `/.s.PGSQL.${PORT}`;
/** The kernel's limit for the path of a socket is 107 bytes on Linux, 103 on macOS. */
const LONGEST_SOCKET_PATH = 100;
const NAME = "galaxy";
const INITDB_TIMEOUT_MS = 120_000;

/** The files of one embedded PostgreSQL. All but the log are made in one go, by the rename at the end of `makeCluster`. */
export interface Cluster {
  readonly directory: string;
  /** PostgreSQL's own data directory, its owner is the server's account. */
  readonly data: string;
  /** Owned by us. */
  readonly passwordFile: string;
  readonly log: string;
}

/**
 * The place of the cluster for `directory`: a folder `cluster` in it, or, where root's server account could not get
 * there, in a folder of its own under /var/lib. A cluster that exists keeps its place.
 */
export function placeOfCluster(directory: string, account: ServerAccount): Cluster {
  fs.mkdirSync(directory, { recursive: true, mode: 0o755 });
  const real = fs.realpathSync(directory);
  const first = clusterIn(real);
  if (!account.separate) return first;
  if ((fs.statSync(real).mode & 0o001) === 0) fs.chmodSync(real, fs.statSync(real).mode | 0o001);
  const second = clusterIn(path.join(FALLBACK_DIRECTORY, shortHash(real)));
  const reachable = canReach(account, real);
  if (fs.existsSync(first.data) && !reachable) {
    throw new Error(
      `the database in ${first.directory} belongs to the user ${account.name}, who cannot go through the folders above it any more; ` +
        "give others the right to pass (chmod o+x) to each of them",
    );
  }
  if (fs.existsSync(first.data) || (reachable && !fs.existsSync(second.data))) return first;
  fs.mkdirSync(path.dirname(second.directory), { recursive: true, mode: 0o755 });
  for (const folder of [FALLBACK_DIRECTORY, path.dirname(second.directory)]) fs.chmodSync(folder, 0o755);
  return second;
}

/**
 * Makes the cluster unless it is there: under a temporary name beside its place, then by one rename. Of several
 * processes that do so at once one rename succeeds; the others find the folder taken and drop theirs.
 *
 * @returns true if this process made it
 */
export async function makeCluster(
  cluster: Cluster,
  account: ServerAccount,
  binaries: PostgresBinaries,
  durable: boolean,
): Promise<boolean> {
  if (fs.existsSync(cluster.data)) {
    checkVersion(cluster, binaries);
    return false;
  }
  const parent = path.dirname(cluster.directory);
  const unfinished = clusterAt(fs.mkdtempSync(path.join(parent, ".unfinished-")));
  try {
    await fill(unfinished, account, binaries, durable);
    fs.renameSync(unfinished.directory, cluster.directory);
    if (durable) syncFolder(parent);
    return true;
  } catch (error) {
    if (!fs.existsSync(cluster.data)) throw error;
    return false;
  } finally {
    fs.rmSync(unfinished.directory, { recursive: true, force: true });
    removeAbandoned(parent);
  }
}

/** How to reach it once it runs, with its socket in `socketDirectory`. */
export function connectionTo(cluster: Cluster, socketDirectory: string): DatabaseConnection {
  let password: string;
  try {
    password = fs.readFileSync(cluster.passwordFile, "utf8").trim();
  } catch (error) {
    throw new Error(
      `the password of the embedded database (${cluster.passwordFile}) cannot be read; ` +
        "start galaxy-jobs as the user who started it first",
      { cause: error },
    );
  }
  return { host: socketDirectory, port: PORT, database: NAME, user: NAME, password };
}

/**
 * A folder that only the server's account can enter (root can anyway): beside the data, or where that path would be
 * too long for a socket, in the folder for temporary files. Made when it is missing.
 */
export function makeSocketDirectory(cluster: Cluster, account: ServerAccount): string {
  let folder = path.join(cluster.directory, "socket");
  if (Buffer.byteLength(folder + SOCKET_NAME) > LONGEST_SOCKET_PATH) {
    const name = `galaxy-jobs-${shortHash(cluster.directory)}`;
    const temporary = [os.tmpdir(), "/tmp"].find(
      (place) =>
        Buffer.byteLength(path.join(place, name) + SOCKET_NAME) <= LONGEST_SOCKET_PATH &&
        canReach(account, place),
    );
    if (temporary === undefined)
      throw new Error(`no folder for temporary files has a path short enough for a socket`);
    folder = path.join(temporary, name);
  }
  try {
    fs.mkdirSync(folder, { mode: 0o700 });
    giveTo(account, folder);
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
  }
  return folder;
}

/** The folder for temporary files is everybody's: a socket in a folder of somebody else would hand them the password. */
export function checkSocketDirectory(folder: string, account: ServerAccount): void {
  const { uid, mode } = fs.lstatSync(folder);
  const isOwn = uid === account.uid || uid === process.getuid?.();
  if (isOwn && (mode & 0o170777) === 0o040700) return;
  throw new Error(
    `${folder} must be a folder of the user ${account.name} with mode 700, and is not; remove it`,
  );
}

/** PostgreSQL's settings as arguments of its programs. */
export function settings(values: Record<string, string | number>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/** The last lines of the server's log, for errors. */
export function tailOfLog(cluster: Cluster): string {
  try {
    const lines = fs.readFileSync(cluster.log, "utf8").trimEnd().split("\n");
    return lines.slice(-15).join("\n");
  } catch {
    return "(there is no server log)";
  }
}

export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

function clusterIn(home: string): Cluster {
  return clusterAt(path.join(home, "cluster"));
}

function clusterAt(directory: string): Cluster {
  return {
    directory,
    data: path.join(directory, "data"),
    passwordFile: path.join(directory, "password"),
    log: path.join(directory, "server.log"),
  };
}

async function fill(
  cluster: Cluster,
  account: ServerAccount,
  binaries: PostgresBinaries,
  durable: boolean,
): Promise<void> {
  fs.chmodSync(cluster.directory, account.separate ? 0o711 : 0o700);
  fs.mkdirSync(cluster.data, { mode: 0o700 });
  const password = randomBytes(24).toString("base64url");
  fs.writeFileSync(cluster.passwordFile, `${password}\n`, { mode: 0o600 });
  const forInitdb = path.join(cluster.directory, "password-for-initdb");
  fs.writeFileSync(forInitdb, `${password}\n`, { mode: 0o600 });
  for (const file of [cluster.data, forInitdb]) giveTo(account, file);
  await run(account, binaries.initdb, [
    `--pgdata=${cluster.data}`,
    `--username=${NAME}`,
    `--pwfile=${forInitdb}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // The builtin provider: the order of texts cannot change with the C library of the machine.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    // These land in postgresql.conf, where an administrator may change them.
    ...settings({ shared_buffers: "128MB", max_connections: 200, log_checkpoints: "off" }),
    ...settings({ timezone: "UTC", log_timezone: "UTC" }),
    ...(durable ? [] : ["--no-sync"]),
  ]);
  fs.rmSync(forInitdb);
  // Single-user mode: the database exists before anybody can see the cluster.
  const relaxed = durable ? [] : settings({ fsync: "off" });
  await run(
    account,
    binaries.postgres,
    ["--single", "-D", cluster.data, ...relaxed, "postgres"],
    `CREATE DATABASE ${NAME};\n`,
  );
}

/** @throws Error with what the program wrote, if it fails or takes too long */
async function run(account: ServerAccount, program: string, args: string[], input = ""): Promise<void> {
  const child = spawn(program, args, {
    ...spawnAs(account),
    stdio: ["pipe", "pipe", "pipe"],
    timeout: INITDB_TIMEOUT_MS,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => (output += chunk));
  }
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const ended = await new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code === 0 ? "" : (signal ?? `exit code ${code}`)));
  });
  if (ended === "" && !/\b(FATAL|PANIC):/.test(output)) return;
  const remedy = output.includes("shared libraries")
    ? "\nThe install script of the bundled PostgreSQL has not run: run `pnpm rebuild` (or `npm rebuild`)."
    : "";
  throw new Error(`${path.basename(program)} failed (${ended || "see below"}):\n${output.trim()}${remedy}`);
}

function checkVersion(cluster: Cluster, binaries: PostgresBinaries): void {
  let version: number;
  try {
    version = Number(fs.readFileSync(path.join(cluster.data, "PG_VERSION"), "utf8"));
  } catch (error) {
    if (!isCode(error, "EACCES")) throw error;
    throw new Error(
      `the database in ${cluster.directory} belongs to another user; start galaxy-jobs as the user who started it first`,
      { cause: error },
    );
  }
  if (version === binaries.major) return;
  throw new Error(
    `the database in ${cluster.directory} was made by PostgreSQL ${version}, the bundled one is ${binaries.major}; ` +
      `dump it with ${version} and restore it, or install the version of galaxy-jobs that made it`,
  );
}

/** What a process that was killed while it made a cluster has left; an hour is longer than any initdb. */
function removeAbandoned(parent: string): void {
  for (const name of fs.readdirSync(parent)) {
    if (!name.startsWith(".unfinished-")) continue;
    const folder = path.join(parent, name);
    const age = Date.now() - (fs.statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > 3_600_000) fs.rmSync(folder, { recursive: true, force: true });
  }
}

function syncFolder(folder: string): void {
  const descriptor = fs.openSync(folder, "r");
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
