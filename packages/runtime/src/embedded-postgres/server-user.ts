import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** The account the server runs under; undefined: the one of this process. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

const run = promisify(execFile);

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** PostgreSQL refuses to run as root: for root, `postgres` of /etc/passwd if it is there, else `nobody`. */
export async function chooseServerUser(): Promise<ServerUser | undefined> {
  if (!isRoot()) return undefined;
  const accounts = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  const account =
    accounts.find(([name]) => name === "postgres") ?? accounts.find(([name]) => name === "nobody");
  const uid = Number(account?.[2]);
  const gid = Number(account?.[3]);
  if (account === undefined || !(uid > 0) || Number.isNaN(gid)) {
    throw new Error(
      "the embedded PostgreSQL does not run as root, and /etc/passwd has neither the user postgres nor nobody; " +
        "add one of them, start as another user, or set database_connection to a server of your own",
    );
  }
  return { uid, gid };
}

/** Whether the account can enter the folder, asked of the kernel (ACLs, mounts and all). */
export async function canEnter(user: ServerUser | undefined, folder: string): Promise<boolean> {
  try {
    await run("/bin/sh", ["-c", 'test -x "$0"', folder], { ...user, cwd: "/", timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}
