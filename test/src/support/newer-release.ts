import { cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { repository } from "./galaxy.ts";

/** The programs of a release that is this one with further migrations. */
export interface NewerRelease {
  readonly web: string;
  readonly handler: string;
  readonly ctl: string;
}

/** @param migrations statements by file name, e.g. `9001_more.sql` */
export async function makeNewerRelease(
  folder: string,
  migrations: Readonly<Record<string, string>>,
): Promise<NewerRelease> {
  const packages = join(folder, "packages");
  for (const name of await readdir(join(repository, "packages"))) {
    await mkdir(join(packages, name), { recursive: true });
    // Links among the packages are relative, so that they lead to the copies.
    for (const part of await readdir(join(repository, "packages", name)))
      if (part !== "src" && part !== "ui")
        await cp(join(repository, "packages", name, part), join(packages, name, part), {
          recursive: true,
          verbatimSymlinks: true,
        });
  }
  await symlink(join(repository, "node_modules"), join(folder, "node_modules"));
  for (const [name, statements] of Object.entries(migrations))
    await writeFile(join(packages, "shared-db", "migrations", name), statements);
  return {
    web: join(packages, "web", "bin", "galaxy-web.js"),
    handler: join(packages, "handler", "bin", "galaxy-handler.js"),
    ctl: join(packages, "ctl", "bin", "galaxyctl.js"),
  };
}
