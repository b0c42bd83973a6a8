import fs from "node:fs";
import path from "node:path";
import { bootId, isAlive, ownIdentity, processStartTime } from "./process-identity.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/**
 * A file that says which process is the daemon. The first line is the pid, as every service manager expects it; the second
 * tells that process from others that get the same pid later: its start time and the boot.
 */
export class PidFile {
  readonly path: string;
  #content: string | undefined;

  private constructor(file: string) {
    this.path = file;
  }

  /**
   * Writes the file for this process: whole or not at all. One that names no living process is replaced.
   *
   * @throws Error that names the living process which holds it
   */
  static take(file: string): PidFile {
    const pidFile = new PidFile(path.resolve(file));
    pidFile.#take();
    return pidFile;
  }

  /** The living process that the file names; undefined if there is no file, or it is stale. */
  static holder(file: string): ProcessIdentity | undefined {
    return livingHolder(readFile(file));
  }

  /** Removes the file if it is still ours. Synchronous: it also works as the last thing of a process. */
  release(): void {
    if (this.#content === undefined) return;
    try {
      if (readFile(this.path) === this.#content) fs.rmSync(this.path, { force: true });
    } catch {
      // A process that gave up its privileges may not remove it; it names no living process any more.
    }
    this.#content = undefined;
  }

  #take(): void {
    const { pid, startTime, bootId: boot } = ownIdentity();
    const content = `${pid}\n${startTime} ${boot}\n`;
    fs.mkdirSync(path.dirname(this.path), { recursive: true });
    const aside = `${this.path}.${pid}`;
    fs.writeFileSync(aside, content, { mode: 0o644 });
    try {
      // A link either makes the complete file or fails because there is one.
      for (let attempt = 0; attempt < 10; attempt++) {
        try {
          fs.linkSync(aside, this.path);
          this.#content = content;
          return;
        } catch (error) {
          if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
          removeStale(this.path);
        }
      }
      throw new Error(`${this.path} cannot be taken: other processes take it again and again`);
    } finally {
      fs.rmSync(aside, { force: true });
    }
  }
}

function removeStale(file: string): void {
  const content = readFile(file);
  if (content === undefined) return;
  const holder = livingHolder(content);
  if (holder !== undefined) {
    throw new Error(
      `already running with pid ${holder.pid} (${file}); stop that one first, or use another --pid-file`,
    );
  }
  // Between reading and removing, another process may have taken it: look at what was moved, put it back if it is new.
  const moved = `${file}.stale-${process.pid}`;
  try {
    fs.renameSync(file, moved);
    if (readFile(moved) !== content) fs.linkSync(moved, file);
  } catch {
    // Somebody else was faster; the next attempt sees what is there.
  }
  fs.rmSync(moved, { force: true });
}

function livingHolder(content: string | undefined): ProcessIdentity | undefined {
  if (content === undefined) return undefined;
  const [first = "", second] = content.split("\n");
  const pid = Number(first.trim());
  if (second === undefined || second.trim() === "") {
    // Not written by us: all that can be asked is whether there is such a process.
    const startTime = processStartTime(pid);
    return startTime === undefined ? undefined : { pid, startTime, bootId: bootId() };
  }
  const space = second.lastIndexOf(" ");
  const identity = { pid, startTime: second.slice(0, space), bootId: second.slice(space + 1) };
  return isAlive(identity) ? identity : undefined;
}

function readFile(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
