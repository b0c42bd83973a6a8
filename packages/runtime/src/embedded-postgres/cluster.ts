import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../log.ts";
import { isAlive } from "./postmaster-process.ts";
import { runServerProgram } from "./server-program.ts";
import { SYSTEM_DIRECTORY, findServerBinaries, type ServerBinaries } from "./server-binaries.ts";
import { canEnter, chooseServerUser, isRoot, type ServerUser } from "./server-user.ts";

/** One database cluster on the disk, and all that is needed to start and reach its server. */
export interface Cluster {
  readonly folder: string;
  /** PGDATA. */
  readonly data: string;
  readonly log: string;
  /** For a server that is started now; a running one names its own in postmaster.pid. */
  readonly socketDirectory: string;
  readonly password: string;
  readonly binaries: ServerBinaries;
  readonly user: ServerUser | undefined;
}

export const USER = "galaxy";
export const DATABASE = "galaxy";
export const PORT = 5432;

/** sun_path has 108 bytes on Linux, 104 on macOS; the lock file's name is longer but is a plain file. */
const LONGEST_SOCKET_PATH = 100;
const LONGEST_WAIT_FOR_OTHERS = 20_000;
const ABANDONED_AFTER = 600_000;

/** Finds the cluster under `directory`, or makes it. Any number of processes may do so at once: all get the same one. */
export async function openCluster(
  directory: string,
  durable: boolean,
  logger: Logger,
  signal: AbortSignal,
): Promise<Cluster> {
  const { home, user } = await chooseHome(path.resolve(directory), logger);
  const folder = path.join(home, "cluster");
  const binaries = await findServerBinaries(user, logger);
  if (!existsSync(folder)) await makeCluster(home, folder, binaries, user, durable, logger, signal);
  await checkVersion(folder, binaries);
  return {
    folder,
    data: path.join(folder, "data"),
    log: path.join(folder, "server.log"),
    socketDirectory: await chooseSocketDirectory(folder, user),
    password: await readPassword(folder),
    binaries,
    user,
  };
}

async function chooseHome(
  directory: string,
  logger: Logger,
): Promise<{ home: string; user: ServerUser | undefined }> {
  await makeFolder(directory);
  const home = await realpath(directory);
  const existing = await stat(path.join(home, "cluster")).catch(() => undefined);
  if (existing !== undefined && !isRoot() && existing.uid !== process.getuid?.()) {
    throw new Error(
      `the database in ${home} belongs to the user with the id ${existing.uid}; start as that user or as root, or choose another folder`,
    );
  }
  // A cluster made by a user stays that user's when root starts its server.
  const user =
    existing !== undefined && isRoot() && existing.uid !== 0
      ? { uid: existing.uid, gid: existing.gid }
      : await chooseServerUser();
  if (await canEnter(user, home)) return { home, user };
  if (existing !== undefined || user === undefined) {
    throw new Error(
      `the account of the database server (user id ${user?.uid ?? process.getuid?.()}) cannot enter ${home}`,
    );
  }
  const hash = createHash("sha256").update(home).digest("hex").slice(0, 16);
  const elsewhere = path.join(SYSTEM_DIRECTORY, hash);
  await makeFolder(SYSTEM_DIRECTORY);
  await makeFolder(elsewhere);
  await writeFile(
    path.join(home, "database-is-elsewhere.txt"),
    `The database server's account cannot enter this folder. The data are in ${elsewhere}\n`,
  );
  logger.info("embedded-database.elsewhere", {
    directory: home,
    data: elsewhere,
    reason: "not reachable for the server's account",
  });
  return { home: elsewhere, user };
}

/** Makes the folder if it is missing, for all to enter whatever the umask says; one that is there stays as it is. */
async function makeFolder(folder: string): Promise<void> {
  if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, 0o755);
}

/**
 * Everything a cluster is made of (data, password, socket folder) is made in one folder beside its place, and then renamed to it:
 * renaming onto a folder that is not empty fails, so exactly one wins.
 */
async function makeCluster(
  home: string,
  folder: string,
  binaries: ServerBinaries,
  user: ServerUser | undefined,
  durable: boolean,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  await removeAbandoned(home);
  await waitForOthers(home, folder, Number.POSITIVE_INFINITY, signal);
  if (existsSync(folder)) return;
  const making = path.join(home, `making-${process.pid}-${randomBytes(6).toString("hex")}`);
  await mkdir(making, { mode: 0o700 });
  try {
    await waitForOthers(home, folder, process.pid, signal);
    if (existsSync(folder)) return;
    await fillCluster(making, binaries, user, durable, signal);
    await rename(making, folder);
    logger.info("embedded-database.created", { data: folder });
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

async function fillCluster(
  folder: string,
  binaries: ServerBinaries,
  user: ServerUser | undefined,
  durable: boolean,
  signal: AbortSignal,
): Promise<void> {
  const data = path.join(folder, "data");
  const passwordFile = path.join(folder, "password");
  await writeFile(passwordFile, randomBytes(24).toString("hex"), { mode: 0o600 });
  await mkdir(path.join(folder, "socket"), { mode: 0o700 });
  if (user !== undefined) {
    for (const entry of [folder, passwordFile, path.join(folder, "socket")])
      await chown(entry, user.uid, user.gid);
  }
  const noSync = durable ? [] : ["--no-sync"];
  await runServerProgram(
    binaries.initdb,
    [
      "-D",
      data,
      "-U",
      USER,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      ...noSync,
    ],
    { user, signal },
  );
  // A local connection is the only kind there is, whatever initdb thinks useful.
  await writeFile(path.join(data, "pg_hba.conf"), "local all all scram-sha-256\n");
  // The server as a single process, so that the cluster appears at its place with its database in it.
  const fsync = durable ? "fsync=on" : "fsync=off";
  const output = await runServerProgram(
    binaries.postgres,
    ["--single", "-c", fsync, "-D", data, "template1"],
    {
      user,
      signal,
      input: `CREATE DATABASE ${DATABASE}\n`,
    },
  );
  if (/\b(ERROR|FATAL|PANIC):/.test(output))
    throw new Error(`the database ${DATABASE} could not be made: ${output}`);
}

/**
 * Only saves work: ten processes that start together need not run initdb ten times. Waits while a living process with a lower
 * process id is at it. If that goes wrong (the id was taken over by another process), two make a cluster and one wins.
 */
async function waitForOthers(
  home: string,
  folder: string,
  below: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + LONGEST_WAIT_FOR_OTHERS;
  while (!existsSync(folder) && performance.now() < deadline) {
    const makers = (await readdir(home)).map(makerOf).filter((pid) => pid !== undefined);
    if (!makers.some((pid) => pid < below && pid !== process.pid && isAlive(pid))) return;
    await delay(25, undefined, { signal });
  }
}

function makerOf(entry: string): number | undefined {
  const match = /^making-(\d+)-[0-9a-f]+$/.exec(entry);
  return match === null ? undefined : Number(match[1]);
}

async function removeAbandoned(home: string): Promise<void> {
  for (const entry of await readdir(home)) {
    const maker = makerOf(entry);
    if (maker === undefined || isAlive(maker)) continue;
    const made = await stat(path.join(home, entry)).catch(() => undefined);
    if (made !== undefined && Date.now() - made.mtimeMs > ABANDONED_AFTER) {
      await rm(path.join(home, entry), { recursive: true, force: true });
    }
  }
}

async function chooseSocketDirectory(folder: string, user: ServerUser | undefined): Promise<string> {
  const inside = path.join(folder, "socket");
  if (Buffer.byteLength(`${inside}/.s.PGSQL.${PORT}`) <= LONGEST_SOCKET_PATH) return inside;
  const hash = createHash("sha256").update(folder).digest("hex").slice(0, 16);
  const outside = path.join(os.tmpdir(), `galaxy-jobs-${hash}`);
  const uid = user?.uid ?? process.getuid?.() ?? 0;
  try {
    await mkdir(outside, { mode: 0o700 });
    if (user !== undefined) await chown(outside, user.uid, user.gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  // Anybody may make folders in the temporary folder: somebody else's is not used. (Root's own is one that is being made now.)
  const found = await lstat(outside);
  if (
    !found.isDirectory() ||
    (found.uid !== uid && found.uid !== process.getuid?.()) ||
    (found.mode & 0o077) !== 0
  ) {
    throw new Error(
      `${outside} is not a folder that only the user with the id ${uid} can enter; remove it, or use a shorter path for the data than ${folder}`,
    );
  }
  return outside;
}

async function checkVersion(folder: string, binaries: ServerBinaries): Promise<void> {
  const version = (await readFile(path.join(folder, "data", "PG_VERSION"), "utf8")).trim();
  if (version === binaries.major) return;
  throw new Error(
    `the database in ${folder} was made by PostgreSQL ${version}, the bundled one is ${binaries.major}; ` +
      `dump it with PostgreSQL ${version} and restore it into a new folder`,
  );
}

async function readPassword(folder: string): Promise<string> {
  const file = path.join(folder, "password");
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw new Error(
      `the password of the embedded database cannot be read from ${file}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
