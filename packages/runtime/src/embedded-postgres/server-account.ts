import fs from "node:fs";
import path from "node:path";

/** The system user that PostgreSQL runs as: it refuses to run as root. */
export interface ServerAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** False when it is simply us. */
  readonly separate: boolean;
}

/** We ourselves, or, for root, the user `postgres` if the machine has one, else `nobody`. */
export function serverAccount(): ServerAccount {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  if (uid !== 0) return { name: `uid ${uid}`, uid, gid, separate: false };
  for (const name of ["postgres", "nobody"]) {
    const found = lookUp(name);
    if (found !== undefined) return { name, ...found, separate: true };
  }
  throw new Error(
    "the embedded PostgreSQL cannot run as root, and this machine has neither a user postgres nor nobody; " +
      "start galaxy-jobs as another user, or set database_connection to a server of your own",
  );
}

/** True if the account can go through every folder above `target` and through (or, for a file, read) it itself. */
export function canReach(account: ServerAccount, target: string): boolean {
  if (!account.separate) return true;
  for (let place = fs.realpathSync(target); ; place = path.dirname(place)) {
    const { uid, gid, mode } = fs.statSync(place);
    const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0) return false;
    if (place === path.dirname(place)) return true;
  }
}

/** Makes the account the owner. */
export function giveTo(account: ServerAccount, target: string): void {
  if (account.separate) fs.chownSync(target, account.uid, account.gid);
}

/** What `spawn` needs to run a program as the account, from a folder it can be in, without any of our environment. */
export function spawnAs(account: ServerAccount): {
  uid?: number;
  gid?: number;
  cwd: string;
  env: Record<string, string>;
} {
  const identity = account.separate ? { uid: account.uid, gid: account.gid } : {};
  return { ...identity, cwd: "/", env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" } };
}

function lookUp(name: string): { uid: number; gid: number } | undefined {
  for (const line of fs.readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [user, , uid, gid] = line.split(":");
    if (user === name && Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}
