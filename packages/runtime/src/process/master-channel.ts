/** In the environment of a process that a master started; gone before anything else can see it. */
const MARK = "GALAXY_JOBS_CHILD_OF_MASTER";

/** What a master adds to the environment of a child, so that the child knows its place. */
export const childMark: Readonly<Record<string, string>> = { [MARK]: "1" };

/** Whether a master started this process, with a channel. To be called once, at the start of the program. */
export function takeMasterMark(env: NodeJS.ProcessEnv): boolean {
  const marked = env[MARK] !== undefined;
  delete env[MARK];
  return marked && process.send !== undefined;
}

/** Sends a message to the master; resolves when it is on its way, or there is nobody to take it. */
export function tellMaster(message: unknown): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
