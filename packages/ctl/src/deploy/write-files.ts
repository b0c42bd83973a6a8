import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RenderedFile } from "./render-files.ts";

export interface WrittenFiles {
  readonly written: readonly string[];
  readonly unchanged: readonly string[];
}

/**
 * Writes the files into a folder, each whole or not at all. What would change is shown first.
 * @param confirm asked once, when a file that is there would be overwritten; false: nothing is written
 * @returns undefined: nothing was written, as nobody agreed
 */
export async function writeFiles(
  folder: string,
  files: readonly RenderedFile[],
  show: (diff: string) => void,
  confirm: () => Promise<boolean>,
): Promise<WrittenFiles | undefined> {
  const paths = files
    .map(({ name, content, secret = false }) => ({ path: join(folder, name), content, secret }))
    .map((file) =>
      file.secret && existsSync(file.path) ? { ...file, content: readFileSync(file.path, "utf8") } : file,
    );
  const changed = paths.filter(
    ({ path, content }) => existsSync(path) && readFileSync(path, "utf8") !== content,
  );
  for (const { path, content } of changed) show(difference(path, content));
  if (changed.length > 0 && !(await confirm())) return undefined;
  mkdirSync(folder, { recursive: true });
  const fresh = paths.filter(
    ({ path, content }) => !existsSync(path) || readFileSync(path, "utf8") !== content,
  );
  for (const { path, content, secret } of fresh) {
    const aside = `${path}.new`;
    writeFileSync(aside, content, { mode: secret ? 0o600 : 0o644 });
    renameSync(aside, path);
  }
  const written = fresh.map(({ path }) => path);
  return { written, unchanged: paths.map(({ path }) => path).filter((path) => !written.includes(path)) };
}

/** As diff(1) says it; where there is none, that it differs. */
function difference(path: string, content: string): string {
  try {
    execFileSync("diff", ["-u", "--label", path, "--label", `${path} (new)`, path, "-"], {
      input: content,
      stdio: "pipe",
    });
    return "";
  } catch (error) {
    const { stdout } = error as { stdout?: Buffer };
    return stdout === undefined || stdout.length === 0 ? `${path} would change\n` : stdout.toString();
  }
}
