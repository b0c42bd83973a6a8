import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { shell } from "../../job-script.ts";
import { launcherScript } from "./launcher-script.ts";

/** A start that a dead launcher did not answer is asked of so many in all. */
const mostTries = 3;
/** Supervisors that ended are zombies until the launcher looks, ms. */
const reapInterval = 1_000;

interface Start {
  readonly line: string;
  readonly resolve: (pid: number) => void;
  readonly reject: (error: Error) => void;
  tries: number;
}

/**
 * The handler's view of its launcher (launcher-script.ts): starts it when first needed, replaces it when it dies. A start that
 * it had not answered is asked again of the next; should both have heard, the second supervisor refuses.
 */
export class Launcher {
  readonly #ends: string;
  readonly #environment: Record<string, string>;
  readonly #starts = new Map<string, Start>();
  #process: ChildProcess | undefined;
  #reaping: NodeJS.Timeout | undefined;
  #fault: string | undefined;
  #closed = false;

  constructor(ends: string, environment: Record<string, string>) {
    this.#ends = ends;
    this.#environment = environment;
  }

  /** Of the launcher that lives now, for those who watch it. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** @returns the supervisor's pid */
  start(run: {
    readonly jobId: number;
    readonly name: string;
    readonly directory: string;
    readonly groups: readonly string[];
    /** Runs the job script. */
    readonly shell: string;
  }): Promise<number> {
    const bad = [run.directory, run.shell].find((text) => /[\t\n\r]/.test(text));
    if (bad !== undefined)
      return Promise.reject(new Error(`the path ${JSON.stringify(bad)} has a control character in it`));
    if (this.#starts.has(run.name)) return Promise.reject(new Error(`run ${run.name} is being started`));
    const line = [run.jobId, run.name, run.groups.join(":") || "-", run.shell, run.directory].join("\t");
    return new Promise((resolve, reject) => {
      this.#starts.set(run.name, { line, resolve, reject, tries: 0 });
      this.#send(run.name);
    });
  }

  /** The launcher may let go of supervisors that ended. */
  reap(): void {
    this.#reaping ??= setTimeout(() => {
      this.#reaping = undefined;
      this.#process?.stdin?.write("reap\n");
    }, reapInterval);
  }

  /** Ends the launcher; what it started goes on. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#reaping);
    this.#process?.stdin?.end();
    this.#process?.unref();
    this.#process = undefined;
  }

  #send(name: string): void {
    const start = this.#starts.get(name)!;
    start.tries += 1;
    this.#process ??= this.#launch();
    this.#process.stdin!.write(`${start.line}\n`);
  }

  #launch(): ChildProcess {
    const child = spawn(shell, ["-c", launcherScript, "galaxy-launcher", this.#ends], {
      cwd: "/",
      env: this.#environment,
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
    });
    const gone = (reason: string) => this.#replace(child, reason);
    child.once("error", (error) => gone(error.message));
    // A write to a launcher that just died fails; its exit is what counts.
    child.stdin.on("error", () => undefined);
    const answers = createInterface({ input: child.stdout });
    answers.on("line", (line) => this.#answer(line));
    child.once("close", (code, signal) => gone(this.#fault ?? `the launcher ended (${signal ?? code})`));
    return child;
  }

  #answer(line: string): void {
    if (line.startsWith("fault ")) {
      this.#fault = line.slice("fault ".length);
      return;
    }
    const [name, pid] = line.split(" ");
    this.#starts.get(name!)?.resolve(Number(pid));
    this.#starts.delete(name!);
  }

  #replace(child: ChildProcess, reason: string): void {
    if (this.#process === child) this.#process = undefined;
    for (const [name, start] of this.#starts) {
      if (start.tries < mostTries && this.#fault === undefined && !this.#closed) {
        this.#send(name);
        continue;
      }
      this.#starts.delete(name);
      start.reject(new Error(`cannot start a process: ${reason}`));
    }
    this.#fault = undefined;
  }
}
