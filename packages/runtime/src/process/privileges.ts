import { execFileSync } from "node:child_process";

/** An account to run under. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** Its name, or the number where it has none. */
  readonly name: string;
  /** Its home; / where it has none. */
  readonly home: string;
}

/**
 * Finds the account that `uid:` and `gid:` name, by the system's own means (also LDAP and the like).
 * @throws Error that names the option when there is no such user or group
 */
export function findAccount(uid: string | undefined, gid: string | undefined): Account {
  const user = uid === undefined ? undefined : findUser(uid);
  const group = gid === undefined ? user?.gid : findGroup(gid);
  return {
    uid: user?.uid ?? process.getuid!(),
    gid: group ?? process.getgid!(),
    name: user?.name ?? String(process.getuid!()),
    home: user?.home ?? "/",
  };
}

/** The number of a user. @throws Error when there is none of this name */
export function findUserId(name: string): number {
  return findUser(name).uid;
}

/** The number of a group. @throws Error when there is none of this name */
export function findGroup(name: string): number {
  if (/^\d+$/.test(name)) return Number(name);
  const line = ask("getent", ["group", name]);
  const id = Number(line?.split(":")[2]);
  if (line === undefined || !Number.isInteger(id)) throw new Error(`gid: there is no group ${name}`);
  return id;
}

/**
 * Becomes the account, for good: supplementary groups first, the user last.
 * @throws Error when this process may not
 */
export function dropPrivileges(account: Account): void {
  if (process.getuid!() === account.uid && process.getgid!() === account.gid) return;
  try {
    // In Node since 0.9, not in its types.
    (process as unknown as { initgroups(user: string, group: number): void }).initgroups(
      account.name,
      account.gid,
    );
    process.setgid!(account.gid);
    process.setuid!(account.uid);
  } catch (error) {
    throw new Error(
      `uid: this process cannot become ${account.name} (${String(process.getuid!())} may not); start it as root, or remove uid and gid`,
      { cause: error },
    );
  }
}

function findUser(name: string): Account {
  const line = ask("getent", ["passwd", name]);
  const [found, , uid, gid, , home] = line?.split(":") ?? [];
  if (found === undefined || !Number.isInteger(Number(uid)) || !Number.isInteger(Number(gid)))
    throw new Error(`uid: there is no user ${name}`);
  return { uid: Number(uid), gid: Number(gid), name: found, home: home || "/" };
}

function ask(program: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(program, args, {
      encoding: "utf8",
      timeout: 10_000,
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return undefined;
  }
}
