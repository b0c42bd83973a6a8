import { execFile } from "node:child_process";
import fs from "node:fs";
import { promisify } from "node:util";
import { Loop } from "../loop.ts";

const execute = promisify(execFile);

/** A notification takes milliseconds; a service manager that does not answer must not keep us, ms. */
const LONGEST_NOTICE_MS = 10_000;
/** Keep-alives in one watchdog interval: a single late one does no harm. */
const KEEP_ALIVES = 3;
/** Longer ones are cut in `systemctl status`. */
const LONGEST_STATUS = 200;

/**
 * systemd, where it started this process as a service of Type=notify (sd_notify(3)): it is told when the service is ready, reloads and
 * stops, and is kept from taking it for dead (WatchdogSec=). Without systemd nothing is told.
 *
 * Node cannot send a datagram to a unix socket, so each notification is a short run of `systemd-notify`, whose word counts only
 * with NotifyAccess=all. The keep-alives come from the event loop: while it stands still there are none.
 */
export class ServiceManager {
  readonly #socket: string | undefined;
  /** ms between two keep-alives; undefined: no watchdog. */
  readonly #interval: number | undefined;
  #last: Promise<void> = Promise.resolve();
  #keepAlive: Loop | undefined;
  #onFault: (error: unknown) => void = () => undefined;
  #hasFailed = false;

  private constructor(socket: string | undefined, interval: number | undefined) {
    this.#socket = socket;
    this.#interval = interval;
  }

  /** @param env what says so is removed from it: a child must not speak for the service */
  static take(env: NodeJS.ProcessEnv): ServiceManager {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: watched } = env;
    for (const key of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[key];
    const isWatched = watched === undefined || Number(watched) === process.pid;
    const interval =
      isWatched && /^[1-9]\d*$/.test(microseconds ?? "") ? Number(microseconds) / 1000 : undefined;
    return new ServiceManager(
      socket === undefined || socket === "" ? undefined : socket,
      interval === undefined ? undefined : Math.max(1, interval / KEEP_ALIVES),
    );
  }

  /** @param onFault told once when nothing can be told to the service manager */
  onFault(onFault: (error: unknown) => void): void {
    this.#onFault = onFault;
  }

  /** From here on the watchdog's keep-alives are sent, until `close`. */
  async ready(status: string): Promise<void> {
    await this.#tell("READY=1", statusLine(status));
    if (this.#socket === undefined || this.#interval === undefined || this.#keepAlive !== undefined) return;
    const interval = this.#interval;
    this.#keepAlive = new Loop({
      name: "watchdog",
      work: async () => {
        await this.#tell("WATCHDOG=1");
        return interval;
      },
      onError: (error) => this.#onFault(error),
    });
    await this.#keepAlive.start();
  }

  /** Something is read anew; `ready` follows. */
  reloading(): Promise<void> {
    return this.#tell("RELOADING=1");
  }

  stopping(status: string): Promise<void> {
    return this.#tell("STOPPING=1", statusLine(status));
  }

  /** What `systemctl status` shows. */
  status(status: string): Promise<void> {
    return this.#tell(statusLine(status));
  }

  /** The last of the process: ends the keep-alives, waits until everything was told. */
  async close(): Promise<void> {
    await this.#keepAlive?.stop();
    await this.#last;
  }

  /** In the order of the calls. */
  #tell(...lines: string[]): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return Promise.resolve();
    this.#last = this.#last.then(async () => {
      try {
        const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", NOTIFY_SOCKET: socket };
        await execute("systemd-notify", lines, { env, timeout: LONGEST_NOTICE_MS });
      } catch (error) {
        if (!this.#hasFailed) this.#onFault(error);
        this.#hasFailed = true;
      }
    });
    return this.#last;
  }
}

/** Whether standard error is the journal (JOURNAL_STREAM of systemd.exec(5)), and not a file or a pipe of somebody else. */
export function writesToJournal(env: NodeJS.ProcessEnv): boolean {
  const stream = env["JOURNAL_STREAM"];
  if (stream === undefined) return false;
  try {
    // With bigint: Node's own realpathSync looks at the result of the last stat without it, and after one of a socket it takes links
    // for what they lead to, so that later imports of packages fail (seen in Node 20.20).
    const { dev, ino } = fs.fstatSync(2, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** A notification is lines: a text of several would be several of them. */
function statusLine(text: string): string {
  return `STATUS=${text.replaceAll(/[\u0000-\u001f]/g, " ").slice(0, LONGEST_STATUS)}`;
}
