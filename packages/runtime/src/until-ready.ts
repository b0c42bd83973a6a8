import { setTimeout as sleep } from "node:timers/promises";

export interface UntilReadyOptions<T> {
  /** Throws when it is not ready yet. */
  attempt(): Promise<T>;
  /** ms from now after which no new attempt is made. */
  readonly deadline: number;
  /** Told after each failure that will be followed by another attempt. */
  onRetry?(error: unknown, facts: { attempt: number; delay: number }): void;
  /** Errors for which it answers false are thrown at once. */
  isRetryable?(error: unknown): boolean;
  /** ms; the wait doubles from the first (default 100) to the longest (default 5000), each ± half. */
  readonly firstDelay?: number;
  readonly longestDelay?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Tries until it works, waiting longer after each failure, with jitter so that processes that lost the same server do
 * not return in step.
 *
 * @throws the last attempt's error once the deadline has passed, or the signal's reason
 */
export async function untilReady<T>(options: UntilReadyOptions<T>): Promise<T> {
  const end = performance.now() + options.deadline;
  const longest = options.longestDelay ?? 5000;
  let pace = options.firstDelay ?? 100;
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await options.attempt();
    } catch (error) {
      const left = end - performance.now();
      if (left <= 0 || options.isRetryable?.(error) === false) throw error;
      const delay = Math.min(left, pace * (0.5 + Math.random()));
      options.onRetry?.(error, { attempt, delay });
      await sleep(delay, undefined, options.signal === undefined ? {} : { signal: options.signal });
      pace = Math.min(longest, pace * 2);
    }
  }
}
