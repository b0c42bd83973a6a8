import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The file in job_working_directory that says which one it is. */
const fileName = ".run-directories";

/**
 * Which job_working_directory this is: an id that the first handler leaves there. Two handlers that read the same one see the
 * same run directories; one that does not (a file system that is not mounted, another machine's disk) must not judge, by what
 * it cannot see, that a job was never started.
 * @throws file system errors
 */
export async function runDirectoryId(root: string): Promise<string> {
  const path = join(root, fileName);
  const known = await readFile(path, "utf8").catch(() => "");
  if (known.trim() !== "") return known.trim();
  await mkdir(root, { recursive: true });
  const mine = `${path}.${randomUUID()}`;
  await writeFile(mine, `${randomUUID()}\n`);
  try {
    // Whole or not at all, and never over another's.
    await link(mine, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(mine, { force: true });
  }
  return (await readFile(path, "utf8")).trim();
}
