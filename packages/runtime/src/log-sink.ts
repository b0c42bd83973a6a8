import fs from "node:fs";
import path from "node:path";
import Transport from "winston-transport";

/**
 * Where lines go: standard error or a file. Each line is one synchronous append, so that lines of several processes that
 * share a file do not mix, and none is lost in a buffer when the process dies. A full disk loses lines, not the process:
 * they are counted, and the next line that can be written is preceded by the count.
 */
export class LogSink extends Transport {
  #file: string | undefined;
  #descriptor: number | undefined;
  #lost = 0;

  constructor(file: string | undefined) {
    super();
    this.#file = file === undefined ? undefined : path.resolve(file);
    if (this.#file === undefined) {
      // The reader of a pipe may go away; that must not end a daemon.
      if (process.stderr.listenerCount("error") === 0) process.stderr.on("error", () => undefined);
    } else {
      this.#descriptor = openLog(this.#file);
    }
  }

  get isStandardError(): boolean {
    return this.#file === undefined;
  }

  override log(entry: Record<symbol, unknown>, done: () => void): void {
    const line = `${String(entry[Symbol.for("message")])}\n`;
    if (this.#file === undefined) process.stderr.write(line);
    else this.#append(line);
    done();
  }

  /** Keeps the old file if the new one cannot be opened, and says so in it. */
  reopen(): void {
    if (this.#file === undefined || this.#descriptor === undefined) return;
    let next: number;
    try {
      next = openLog(this.#file);
    } catch (error) {
      this.#append(`${error instanceof Error ? error.message : String(error)}\n`);
      return;
    }
    fs.closeSync(this.#descriptor);
    this.#descriptor = next;
  }

  moveTo(file: string): void {
    const next = openLog(path.resolve(file));
    this.shut();
    this.#file = path.resolve(file);
    this.#descriptor = next;
  }

  shut(): void {
    if (this.#descriptor !== undefined) fs.closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #append(line: string): void {
    if (this.#descriptor === undefined) return;
    try {
      const notice = this.#lost > 0 ? `(${this.#lost} log lines could not be written)\n` : "";
      fs.writeSync(this.#descriptor, notice + line);
      this.#lost = 0;
    } catch {
      this.#lost += 1;
    }
  }
}

function openLog(file: string): number {
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    return fs.openSync(file, "a", 0o640);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot open the log file ${file}: ${reason}`, { cause: error });
  }
}
