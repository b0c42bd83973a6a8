/*
What a bench has started (servers, processes, folders) is taken away by its end, by an error, and by Ctrl-C. Each thing is
registered when it begins; its own end takes it off the list. What is left is ended last first.
*/

type End = () => Promise<void>;

const open: { readonly end: End }[] = [];

/** Registers the end of something that was just begun. @returns ends it; a second call does nothing */
export function mustEnd(end: End): End {
  const entry = { end };
  open.push(entry);
  return async () => {
    const at = open.indexOf(entry);
    if (at < 0) return;
    open.splice(at, 1);
    await end();
  };
}

/** Ends whatever is left. A failure of one does not keep the others. */
export async function endAll(): Promise<void> {
  for (let entry = open.pop(); entry !== undefined; entry = open.pop())
    await entry.end().catch((error: unknown) => process.stderr.write(`cleaning up: ${String(error)}\n`));
}

/** A signal asked for the end: nothing more is begun. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** What a signal makes the exit code. */
let exitCode: number | undefined;
/** What was being begun at the moment of a signal has begun by then, and is ended too, ms. */
const grace = 3_000;

/** The exit code of an interrupted run; whatever fails from then on fails for that. */
export function interruptedWith(): number | undefined {
  return exitCode;
}

/** Before something is begun. @throws Interrupted */
export function goOn(): void {
  if (exitCode !== undefined) throw new Interrupted("interrupted");
}

/**
 * Ctrl-C, SIGTERM and SIGHUP end what there is. What was under way then fails, and nothing new begins, so that the run is over
 * soon. A second signal does not wait.
 */
export function endAllOnSignals(): void {
  process.on("uncaughtException", (error) => {
    if (exitCode !== undefined) return;
    process.stderr.write(`${error.stack ?? String(error)}\n`);
    void endAll().finally(() => process.exit(1));
  });
  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ] as const)
    process.on(signal, () => {
      const code = 128 + number;
      if (exitCode !== undefined) process.exit(code);
      exitCode = code;
      void endAll().finally(() => setTimeout(() => void endAll().finally(() => process.exit(code)), grace));
    });
}
