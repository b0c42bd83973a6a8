import { createRequire } from "node:module";

/** autocannon has no types that fit its release. */
interface Instance {
  stop(): void;
}
interface Outcome {
  readonly requests: { readonly total: number };
  readonly errors: number;
  readonly timeouts: number;
  readonly non2xx: number;
  readonly "2xx": number;
}
type Autocannon = (
  options: Record<string, unknown>,
  done: (error: Error | null, outcome: Outcome) => void,
) => Instance;

const autocannon = createRequire(import.meta.url)("autocannon") as Autocannon;

/** What came of the requests: `failed` had an error, no answer in time, or a status other than 2xx. */
export interface LoadResult {
  readonly answered: number;
  readonly failed: number;
}

export interface Load {
  /** Ends it. */
  stop(): Promise<LoadResult>;
}

/** Sends requests over a few kept-alive connections, one after the other on each, until it is stopped. Bounded: it leaves the
 * machine something to start processes with. */
export function startLoad(url: string, connections = 8, perSecond = 200): Load {
  let instance: Instance;
  const ended = new Promise<LoadResult>((resolve, reject) => {
    instance = autocannon(
      { url, connections, duration: 600, timeout: 30, overallRate: perSecond },
      (error, outcome) => {
        if (error !== null) reject(error);
        else
          resolve({ answered: outcome["2xx"], failed: outcome.errors + outcome.timeouts + outcome.non2xx });
      },
    );
  });
  return {
    stop: () => {
      instance.stop();
      return ended;
    },
  };
}
