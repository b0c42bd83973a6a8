import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processArguments } from "../process/process-identity.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { PORT, settings } from "./cluster.ts";
import type { Cluster } from "./cluster.ts";
import { spawnAs } from "./server-account.ts";
import type { ServerAccount } from "./server-account.ts";

const LARGEST_LOG = 16 * 1024 * 1024;

/** What postmaster.pid says of a postmaster that lives and works on this cluster. */
export interface Postmaster {
  readonly pid: number;
  /** Undefined in the first moments of its life. */
  readonly socketDirectory: string | undefined;
}

/**
 * The postmaster of this cluster, if one lives. The pid in its file is believed only if that process was started on
 * our data directory: after a kill -9 or a reboot it may be anybody's.
 */
export function findPostmaster(cluster: Cluster): Postmaster | undefined {
  const lines = readLockFile(pidFile(cluster));
  const pid = Number(lines?.[0]);
  if (lines === undefined || !isPostmasterOf(cluster, pid)) return undefined;
  // PostgreSQL writes the file line by line: data directory, start, port, socket directory.
  return { pid, socketDirectory: lines[4] || undefined };
}

/**
 * PostgreSQL removes a lock file (of the data, of the socket) whose process is gone, but not one whose pid now is another process's (or a zombie's).
 * That one is moved away here. Between reading and moving, another process may have started a postmaster: what was
 * moved is looked at again, and put back if it is not what was read.
 */
export function removeForeignLockFiles(cluster: Cluster, socketDirectory: string): void {
  removeForeignLockFile(cluster, pidFile(cluster));
  removeForeignLockFile(cluster, path.join(socketDirectory, `.s.PGSQL.${PORT}.lock`));
}

function removeForeignLockFile(cluster: Cluster, file: string): void {
  const read = readLockFile(file);
  const pid = Number(read?.[0]);
  if (read === undefined || !Number.isInteger(pid) || isPostmasterOf(cluster, pid)) return;
  const aside = `${file}.stale-${process.pid}`;
  try {
    fs.renameSync(file, aside);
    if (fs.readFileSync(aside, "utf8") !== read.join("\n")) fs.linkSync(aside, file);
  } catch {
    // Somebody else did it first.
  }
  fs.rmSync(aside, { force: true });
}

/**
 * Starts a postmaster, in a session of its own so that it outlives us. If another one is there it ends at once by itself:
 * PostgreSQL lets only one in (postmaster.pid, and the shared memory of what is left of a killed one).
 */
export function startPostmaster(
  cluster: Cluster,
  account: ServerAccount,
  binaries: PostgresBinaries,
  socketDirectory: string,
  durable: boolean,
): ChildProcess {
  const log = openLog(cluster);
  try {
    const relaxed = settings({ fsync: "off", full_page_writes: "off" });
    const args = [
      "-D",
      cluster.data,
      ...settings({
        port: PORT,
        // No address at all: nobody on another host, or another user of this one, can even connect.
        listen_addresses: "",
        unix_socket_directories: quoteItem(socketDirectory),
        unix_socket_permissions: "0700",
        logging_collector: "off",
      }),
      ...(durable ? [] : relaxed),
    ];
    const child = spawn(binaries.postgres, args, {
      ...spawnAs(account),
      detached: true,
      stdio: ["ignore", log, log],
    });
    child.unref();
    return child;
  } finally {
    fs.closeSync(log);
  }
}

/**
 * Fast shutdown, and waits until the postmaster has ended; if that takes longer than `patience` ms, an immediate one
 * (the next start then recovers from the write-ahead log).
 *
 * @returns false if it lives even then
 */
export async function stopPostmaster(cluster: Cluster, patience: number): Promise<boolean> {
  for (const [signal, wait] of [
    ["SIGINT", patience],
    ["SIGQUIT", 5000],
  ] as const) {
    const postmaster = findPostmaster(cluster);
    if (postmaster === undefined) return true;
    try {
      process.kill(postmaster.pid, signal);
    } catch {
      // It ended between the two lines.
    }
    const end = performance.now() + wait;
    while (isPostmasterOf(cluster, postmaster.pid)) {
      if (performance.now() > end) break;
      await sleep(10);
    }
  }
  return findPostmaster(cluster) === undefined;
}

function isPostmasterOf(cluster: Cluster, pid: number): boolean {
  const args = processArguments(pid);
  return args !== undefined && args[1] === "-D" && args[2] === cluster.data;
}

function readLockFile(file: string): string[] | undefined {
  try {
    return fs.readFileSync(file, "utf8").split("\n");
  } catch {
    return undefined;
  }
}

function pidFile(cluster: Cluster): string {
  return path.join(cluster.data, "postmaster.pid");
}

/** Only a start looks at the size: while it runs, PostgreSQL writes next to nothing. */
function openLog(cluster: Cluster): number {
  const size = fs.statSync(cluster.log, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LARGEST_LOG) fs.renameSync(cluster.log, `${cluster.log}.old`);
  return fs.openSync(cluster.log, "a", 0o600);
}

/** unix_socket_directories is a list: a comma, blank or quote in a path needs quotes around the path. */
function quoteItem(item: string): string {
  return `"${item.replaceAll('"', '""')}"`;
}
