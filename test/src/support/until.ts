/**
 * Asks until there is an answer.
 * @param probe undefined or false: not yet
 * @throws Error that names what was waited for, after `deadline` ms
 */
export async function until<T>(
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  { what, deadline = 10_000, every = 25 }: { what: string; deadline?: number; every?: number },
): Promise<T> {
  const end = performance.now() + deadline;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer as T;
    if (performance.now() > end) throw new Error(`waited ${deadline} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
