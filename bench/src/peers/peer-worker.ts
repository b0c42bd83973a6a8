import { answer, onAsk } from "../script.ts";
import { peers } from "./peers.ts";

/** A worker process of a peer: works until it is ended, and tells how far it is. */
export interface PeerWorkerAsk {
  readonly peer: string;
  readonly url: string;
  readonly many: boolean;
}

export type PeerWorkerAnswer =
  | { readonly kind: "ready" }
  /** Times are ns of the machine's monotonic clock, the same in every process. */
  | { readonly kind: "progress"; readonly jobs: number; readonly first: bigint; readonly last: bigint };

/** Between two reports, ms. */
const interval = 20;

let jobs = 0;
let first = 0n;
let last = 0n;
let report: NodeJS.Timeout | undefined;

onAsk<PeerWorkerAsk>(async ({ peer, url, many }) => {
  const stop = await peers
    .find(({ name }) => name === peer)!
    .work(
      url,
      () => {
        jobs += 1;
        // In a full queue the clock is looked at once for a batch.
        if (many && report !== undefined) return;
        last = process.hrtime.bigint();
        if (first === 0n) first = last;
        if (!many) return tell();
        report = setTimeout(() => {
          report = undefined;
          tell();
        }, interval);
      },
      many,
    );
  process.once("SIGTERM", () => {
    setTimeout(() => process.exit(0), 5_000).unref();
    void stop().finally(() => process.exit(0));
  });
  answer({ kind: "ready" } satisfies PeerWorkerAnswer);
});

function tell(): void {
  answer({ kind: "progress", jobs, first, last } satisfies PeerWorkerAnswer);
}
