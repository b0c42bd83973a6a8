import { constants, copyFile, lstat, mkdir, open, realpath, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { datasetPath, type FinishedOutput, type JobOutput } from "@galaxy-jobs/shared-db";

/**
 * Moves what the tool made into the place of its dataset. A second call after a crash finds the file there already.
 * @returns the dataset's last state: ok, empty, or error when the tool did not make it
 */
export async function collectOutput(request: {
  readonly output: JobOutput;
  readonly working: string;
  readonly fromWorkDir: string | undefined;
  readonly fileDirectory: string;
}): Promise<FinishedOutput> {
  const { output } = request;
  const target = datasetPath(request.fileDirectory, output.uuid);
  const made = await moveInto(target, request.working, request.fromWorkDir);
  if (made !== undefined)
    return {
      id: output.id,
      state: "error",
      fileSize: null,
      peek: null,
      info: `Output ${output.outputName}: ${made}`,
    };
  const { size } = await lstat(target);
  return {
    id: output.id,
    state: size === 0 ? "empty" : "ok",
    fileSize: size,
    peek: await peek(target),
    info: null,
  };
}

/** What a run without files makes: an empty dataset. */
export async function makeEmptyOutput({
  output,
  fileDirectory,
}: {
  readonly output: JobOutput;
  readonly fileDirectory: string;
}): Promise<FinishedOutput> {
  const target = datasetPath(fileDirectory, output.uuid);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, "");
  return { id: output.id, state: "empty", fileSize: 0, peek: null, info: null };
}

/** @returns why there is nothing, or undefined when the target is there */
async function moveInto(
  target: string,
  working: string,
  fromWorkDir: string | undefined,
): Promise<string | undefined> {
  if (fromWorkDir === undefined) return "the tool does not say which file it is (from_work_dir).";
  const source = join(working, fromWorkDir);
  if (relative(working, source).startsWith("..")) return `${fromWorkDir} lies outside the working directory.`;
  const found = await lstat(source).catch(() => undefined);
  if (found === undefined) {
    return (await lstat(target).catch(() => undefined))?.isFile() === true
      ? undefined
      : `the tool did not make ${fromWorkDir}.`;
  }
  const resolved = await realpath(source).catch(() => undefined);
  if (resolved === undefined) return `${fromWorkDir} is a link to nothing.`;
  await mkdir(dirname(target), { recursive: true });
  if (found.isFile()) {
    await moveFile(source, target);
    return undefined;
  }
  if (!(await lstat(resolved)).isFile()) return `${fromWorkDir} is not a file.`;
  // A link: its target may be an input, so it is copied, never moved.
  await copyFile(resolved, target, constants.COPYFILE_FICLONE);
  return undefined;
}

async function moveFile(source: string, target: string): Promise<void> {
  try {
    await rename(source, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another handler took the job over at its very end, and has moved the file.
    if (code === "ENOENT" && (await lstat(target).catch(() => undefined))?.isFile() === true) return;
    if (code !== "EXDEV") throw error;
    const copy = `${target}.new`;
    await copyFile(source, copy);
    await rename(copy, target);
    await rm(source);
  }
}

const peekBytes = 2000;
const peekLines = 5;

/** The first lines of a text file; null for anything that is not text. */
export async function peek(path: string): Promise<string | null> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(peekBytes);
    const { bytesRead } = await file.read(buffer, 0, peekBytes, 0);
    const head = buffer.subarray(0, bytesRead);
    if (head.includes(0) || bytesRead === 0) return null;
    const text = new TextDecoder("utf-8", { fatal: false }).decode(head);
    if ((text.match(/�/g)?.length ?? 0) > 2) return null;
    return text.split("\n").slice(0, peekLines).join("\n").slice(0, 1000);
  } finally {
    await file.close();
  }
}
