import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { goOn, mustEnd } from "./clean-up.ts";

/** A script of the bench's own in a process of its own: asked and answering by messages. */
export interface Script<Ask, Answer> {
  readonly pid: number;
  send(ask: Ask): void;
  /** The next answer that nobody has taken. @throws Error when the process ends first */
  next(): Promise<Answer>;
  /** Ends it, if it has not ended. */
  end(): Promise<void>;
}

/** @param url of the compiled script, e.g. `new URL("./claim-worker.js", import.meta.url)` */
export function startScript<Ask extends object, Answer>(
  url: URL,
  options: { readonly execArgv?: readonly string[] } = {},
): Script<Ask, Answer> {
  goOn();
  const child: ChildProcess = fork(url, [], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    execArgv: [...(options.execArgv ?? [])],
    serialization: "advanced",
    // Ctrl-C is for the bench, which ends it.
    detached: true,
  });
  const ended = once(child, "exit");
  const answers: Answer[] = [];
  let wake: (() => void) | undefined;
  child.on("message", (answer) => {
    answers.push(answer as Answer);
    wake?.();
  });
  void ended.then(() => wake?.());
  const end = mustEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(timer);
  });
  return {
    pid: child.pid!,
    // That it has ended is told by `next`.
    send: (ask) => void child.send(ask, () => undefined),
    async next() {
      while (answers.length === 0) {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`${url.pathname} ended (${child.signalCode ?? child.exitCode})`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
      return answers.shift()!;
    },
    end,
  };
}

/** In such a script: hears what it is asked. It ends when the bench has gone. */
export function onAsk<Ask>(listener: (ask: Ask) => Promise<void> | void): void {
  process.on("message", (ask) => {
    void (async () => listener(ask as Ask))().catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? "") : String(error)}\n`);
      process.exit(1);
    });
  });
  process.once("disconnect", () => process.exit(0));
}

/** In such a script. */
export function answer(message: object): void {
  process.send!(message);
}
