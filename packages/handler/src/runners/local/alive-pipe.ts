import { execFile } from "node:child_process";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Pipes made at once: mkfifo(1) is a process, and Node has no call of its own. */
const batch = 64;

/** Whether a process holds the reading end of a run's pipe: its supervisor lives. False too where there is no pipe. */
export function supervisorLives(pipe: string): boolean {
  const descriptor = openPipe(pipe, constants.O_WRONLY);
  if (descriptor === undefined) return false;
  closeSync(descriptor);
  return true;
}

/** Whether a process holds the writing end of a run's pipe: one that the job started and that did not close it. */
export function jobHoldsPipe(pipe: string): boolean {
  const descriptor = openPipe(pipe, constants.O_RDONLY);
  if (descriptor === undefined) return false;
  try {
    // The end of the file: nobody could write any more.
    return readSync(descriptor, Buffer.alloc(1)) > 0;
  } catch (error) {
    if (codeOf(error) === "EAGAIN") return true;
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** undefined: no such pipe, or nobody at its other end. */
function openPipe(pipe: string, end: number): number | undefined {
  try {
    return openSync(pipe, end | constants.O_NONBLOCK);
  } catch (error) {
    if (["ENXIO", "ENOENT", "ENOTDIR"].includes(codeOf(error))) return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code);
}

/** Named pipes kept ready for the runs to come, on the file system of the run directories. */
export class PipeStock {
  readonly #folder: string;
  #ready: string[] = [];
  #making: Promise<void> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws Error when the file system has no named pipes */
  async place(target: string): Promise<void> {
    while (this.#ready.length === 0) await this.#make();
    const pipe = this.#ready.pop()!;
    await rename(pipe, target);
    if (this.#ready.length < batch / 4) this.#make().catch(() => undefined);
  }

  async clear(): Promise<void> {
    await this.#making?.catch(() => undefined);
    this.#ready = [];
    await rm(this.#folder, { recursive: true, force: true });
  }

  #make(): Promise<void> {
    this.#making ??= this.#makeBatch().finally(() => (this.#making = undefined));
    return this.#making;
  }

  async #makeBatch(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const folder = await mkdtemp(join(this.#folder, "batch-"));
    const pipes = Array.from({ length: batch }, (_, index) => join(folder, String(index)));
    await execute("mkfifo", ["-m", "600", ...pipes], { timeout: 10_000 }).catch((error: Error) => {
      throw new Error(`cannot make named pipes under ${this.#folder}: ${error.message}`, { cause: error });
    });
    this.#ready.push(...pipes);
  }
}
