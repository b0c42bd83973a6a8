import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goOn, mustEnd } from "./clean-up.ts";

/** A folder that others can go through: the embedded PostgreSQL of root runs as another user. */
export async function temporaryFolder(name: string): Promise<{ path: string; remove(): Promise<void> }> {
  goOn();
  const path = await mkdtemp(join(tmpdir(), `galaxy-bench-${name}-`));
  const remove = mustEnd(() => rm(path, { recursive: true, force: true, maxRetries: 5 }));
  await chmod(path, 0o755);
  return { path, remove };
}
