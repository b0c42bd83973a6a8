import { readdir, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import { ownersOfRunDirectories, type Database, type RunDirectoryOwner } from "@galaxy-jobs/shared-db";
import { processesOf } from "../runners/local/process-tree.ts";
import type { MaintenanceTask } from "./maintenance-task.ts";

/** A directory in which something happened so recently is left alone, ms: its job may be in the middle of something. */
const youngest = 3_600_000;
/** Uploads that nobody finished are removed after so long, ms. */
const oldestUpload = 86_400_000;
const batch = 500;

interface RunDirectory {
  readonly path: string;
  readonly jobId: number;
  readonly fence: number;
  /** Of the last change in it, ms since the epoch. */
  readonly changed: number;
}

/**
 * Removes run directories that nobody will look at again: of jobs that the database does not know any more, of earlier
 * attempts, and of ended jobs as `cleanup_job` and `job_directory_retention_days` say. One in which a process still lives stays.
 */
export const removeRunDirectories: MaintenanceTask = {
  name: "remove-run-directories",
  description: "removes run directories that no job needs, and uploads that nobody finished",
  schedule: "37 * * * *",
  async run({ config, database, stopping }) {
    let directories = 0;
    for await (const group of inGroups(runDirectories(config.jobWorkingDirectory), batch)) {
      if (stopping.aborted) break;
      for (const { path } of await dispensable(config, database, group)) {
        const tree = { directory: path, groups: [], supervisor: undefined };
        if ((await processesOf(tree)).length > 0) continue;
        await rm(path, { recursive: true, force: true, maxRetries: 3 });
        directories += 1;
      }
    }
    return { directories, uploads: await removeOldUploads(config.newFileDirectory) };
  },
};

async function dispensable(
  config: GalaxyConfig,
  database: Database,
  directories: readonly RunDirectory[],
): Promise<RunDirectory[]> {
  const old = directories.filter(({ changed }) => Date.now() - changed > youngest);
  if (old.length === 0) return [];
  const owners = new Map(
    (await ownersOfRunDirectories(database, [...new Set(old.map(({ jobId }) => jobId))])).map((owner) => [
      owner.id,
      owner,
    ]),
  );
  return old.filter((directory) => isDispensable(config, directory, owners.get(directory.jobId)));
}

function isDispensable(
  { cleanupJob, maintenance }: GalaxyConfig,
  { fence, changed }: RunDirectory,
  owner: RunDirectoryOwner | undefined,
): boolean {
  const { directoryDays } = maintenance;
  const isKept = cleanupJob === "never" || (cleanupJob === "onsuccess" && owner?.state === "error");
  if (isKept) return directoryDays !== undefined && Date.now() - changed > directoryDays * 86_400_000;
  return owner === undefined || owner.ended || owner.runFence !== fence;
}

/** `<root>/<000>/…/<id>.<fence>`; names that are not ours are passed over. */
async function* runDirectories(root: string): AsyncGenerator<RunDirectory> {
  for (const entry of await readdir(root, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory()) continue;
    const path = join(root, entry.name);
    const own = /^(\d+)\.(\d+)$/.exec(entry.name);
    if (own !== null) {
      const changed = await lastChange(path);
      if (changed !== undefined) yield { path, jobId: Number(own[1]), fence: Number(own[2]), changed };
    } else if (/^\d{3}$/.test(entry.name)) {
      yield* runDirectories(path);
      // Harmless while something is in it.
      await rmdir(path).catch(() => undefined);
    }
  }
}

async function lastChange(directory: string): Promise<number | undefined> {
  const times = await Promise.all(
    [directory, join(directory, "working"), join(directory, "outputs")].map((path) =>
      stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  const newest = Math.max(...times);
  return newest === 0 ? undefined : newest;
}

async function* inGroups<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

async function removeOldUploads(folder: string): Promise<number> {
  let removed = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith("upload-")) continue;
    const path = join(folder, name);
    const changed = await stat(path).catch(() => undefined);
    if (changed === undefined || Date.now() - changed.mtimeMs <= oldestUpload) continue;
    await rm(path, { force: true });
    removed += 1;
  }
  return removed;
}
