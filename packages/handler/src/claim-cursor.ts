import type { ClaimedJob, ClaimRequest } from "@galaxy-jobs/shared-db";

/** A look from the first job on may take this part of a handler's time. */
const fullShare = 0.1;
/** After so long there is one in any case, ms. */
const longestWithout = 10_000;
/** The pause between two looks varies by this part, so that handlers do not look all at once. */
const jitter = 0.1;

/** How a claim looks through the queues: what `ClaimRequest` says of it. */
export type Look = Pick<ClaimRequest, "from" | "firstQueue">;

/**
 * Where a handler's claims begin. Claimed jobs leave dead entries in the index that the claim reads, and while somebody holds
 * an old snapshot open nobody may remove them: a look from the first entry on would take longer and longer. So a claim begins
 * where the last one left off, as long as looks from the first job on (full ones) have become dear.
 *
 * What comes in before that place (a job that another handler gave back, one whose transaction committed late, one that this
 * handler had passed over) is found by the next full look: that is the next claim, while full looks are cheap, and never
 * later than in ten seconds.
 */
export class ClaimCursor {
  readonly #reached = new Map<string, number>();
  #firstQueue = 0;
  #fullAt = 0;
  #lastWasFull = true;

  /** @param now by `performance.now()` */
  look(now: number): Look {
    if (now >= this.#fullAt) return { firstQueue: this.#firstQueue };
    return { firstQueue: this.#firstQueue, from: this.#reached };
  }

  /** @param took ms that the claim took */
  claimed(look: Look, jobs: readonly ClaimedJob[], now: number, took: number): void {
    this.#lastWasFull = look.from === undefined;
    if (this.#lastWasFull) this.#fullAt = now + Math.min(longestWithout, took / fullShare);
    for (const { state, queue, ticket } of jobs)
      if (state === "new") this.#reached.set(queue, Math.max(ticket, this.#reached.get(queue) ?? 0));
    // A handler of several pools takes turns.
    if (jobs.length > 0) this.#firstQueue += 1;
  }

  /**
   * The pause after a claim that has not found enough, ms.
   * @param usual between two polls
   */
  pause(usual: number, now: number): number {
    const poll = usual * (1 - jitter + 2 * jitter * Math.random());
    return this.#lastWasFull ? poll : Math.min(poll, Math.max(1, this.#fullAt - now));
  }
}
