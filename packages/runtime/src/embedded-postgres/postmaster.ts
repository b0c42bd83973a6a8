import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { link, open, readFile, rename, stat, unlink } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PORT, type Cluster } from "./cluster.ts";
import { isPostmaster, leftoverBackends } from "./postmaster-process.ts";
import { serverEnvironment } from "./server-program.ts";

const LOG_SIZE_LIMIT = 16 * 1024 * 1024;
const LONGEST_STOP = 120_000;
/** A lock file is empty between its creation and the first write to it; for longer only after a full disk or a power cut. */
const LONGEST_EMPTY = 5_000;

export interface RunningPostmaster {
  readonly pid: number;
  readonly socketDirectory: string | undefined;
}

/** A server this process has started. */
export interface SpawnedPostmaster {
  readonly pid: number | undefined;
  hasEnded(): boolean;
}

/** The server of this cluster that runs now, verified: its process has our data folder. */
export async function findPostmaster(cluster: Cluster): Promise<RunningPostmaster | undefined> {
  const text = await readLockFile(pidFile(cluster));
  if (text === undefined) return undefined;
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  if (!(pid > 1) || !(await isPostmaster(pid, cluster.data))) return undefined;
  return { pid, socketDirectory: lines[4] || undefined };
}

/** Starts a server in a session of its own. That it works is seen by connecting; that it does not, by `hasEnded`. */
export async function spawnPostmaster(cluster: Cluster, durable: boolean): Promise<SpawnedPostmaster> {
  await limitLog(cluster.log);
  const log = await open(cluster.log, "a", 0o600);
  try {
    if (cluster.user !== undefined) await log.chown(cluster.user.uid, cluster.user.gid);
    const child = spawn(cluster.binaries.postgres, serverArguments(cluster, durable), {
      ...cluster.user,
      cwd: "/",
      env: serverEnvironment(),
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    let ended = false;
    child.once("error", () => (ended = true));
    child.once("exit", () => (ended = true));
    child.unref();
    return { pid: child.pid, hasEnded: () => ended };
  } finally {
    await log.close();
  }
}

/**
 * Makes the place free for a new server: nothing that was left by a killed one is in its way. Resolves to what still is in the way
 * (then one should look again soon), or undefined.
 */
export async function clearPlace(cluster: Cluster): Promise<string | undefined> {
  const running = await findPostmaster(cluster);
  if (running !== undefined) return `the server (process ${running.pid}) runs but cannot be reached`;
  const backends = await leftoverBackends(cluster.data);
  if (backends.length > 0) return `processes of a killed server still run: ${backends.join(", ")}`;
  const socketLock = path.join(cluster.socketDirectory, `.s.PGSQL.${PORT}.lock`);
  const isFree =
    (await setStaleAside(cluster, pidFile(cluster))) && (await setStaleAside(cluster, socketLock));
  return isFree ? undefined : "another process starts the server";
}

/** Asks the server to end its sessions and stop (a "fast shutdown"), and waits until it has. */
export async function stopPostmaster(cluster: Cluster, postmaster: RunningPostmaster): Promise<void> {
  try {
    process.kill(postmaster.pid, "SIGINT");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
  const deadline = performance.now() + LONGEST_STOP;
  while (await isPostmaster(postmaster.pid, cluster.data)) {
    if (performance.now() > deadline) {
      throw new Error(
        `the embedded database (process ${postmaster.pid}) does not stop; its log: ${await logTail(cluster)}`,
      );
    }
    await delay(20);
  }
}

/** Whether the last server that ended did so because of another one, or of what is left of one (that we could not see). */
export async function isHeldOff(cluster: Cluster): Promise<boolean> {
  return /lock file ".*" already exists|is still in use/.test(await logTail(cluster));
}

/** The last lines of the server's log, for a message. */
export async function logTail(cluster: Cluster): Promise<string> {
  const text = await readFile(cluster.log, "utf8").catch(() => "");
  return `${text.trimEnd().split("\n").slice(-15).join("\n")}\n(${cluster.log})`;
}

function serverArguments(cluster: Cluster, durable: boolean): string[] {
  const settings = {
    listen_addresses: "",
    port: PORT,
    unix_socket_directories: `"${cluster.socketDirectory.replaceAll('"', '""')}"`,
    unix_socket_permissions: "0700",
    password_encryption: "scram-sha-256",
    shared_buffers: "128MB",
    max_connections: 200,
    logging_collector: "off",
    log_checkpoints: "off",
    log_line_prefix: "%m [%p] %a ",
    ...(durable ? { fsync: "on" } : { fsync: "off", full_page_writes: "off" }),
  };
  return [
    "-D",
    cluster.data,
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
}

function pidFile(cluster: Cluster): string {
  return path.join(cluster.data, "postmaster.pid");
}

/**
 * Removes a lock file of PostgreSQL that names no server of ours. PostgreSQL does so itself for a process that is gone, but refuses
 * to start if the id now belongs to another living process, and two servers starting at once may remove each other's.
 * So the file is first renamed: exactly one gets it, and one that turns out to be new by now is put back.
 */
async function setStaleAside(cluster: Cluster, file: string): Promise<boolean> {
  const text = await readLockFile(file);
  if (text === undefined) return true;
  const pid = Number(text.split("\n")[0]);
  if (!(pid > 1)) {
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs < LONGEST_EMPTY) return false;
  } else if (await isPostmaster(pid, cluster.data)) {
    return false;
  }
  const aside = `${file}.stale-${randomBytes(6).toString("hex")}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
  const stale = (await readFile(aside, "utf8")).split("\n")[0] === text.split("\n")[0];
  if (!stale) await link(aside, file).catch(() => undefined);
  await unlink(aside);
  return stale;
}

async function readLockFile(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function limitLog(log: string): Promise<void> {
  const found = await stat(log).catch(() => undefined);
  if (found !== undefined && found.size > LOG_SIZE_LIMIT) await rename(log, `${log}.old`);
}
