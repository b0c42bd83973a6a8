import type { DatabaseAddress } from "@galaxy-jobs/shared-db";

/** What the handler's main loop and its heartbeat thread share: `pulseMemory` bytes. */
export const pulseMemory = 16;

/** Views of the shared memory. `process.hrtime` is the kernel's monotonic clock, the same in every thread. */
export function pulseViews(memory: SharedArrayBuffer) {
  return {
    /** [0] The main loop's sign of life: it grows while the loop turns. */
    signs: new Int32Array(memory, 0, 1),
    /** [0] The lease is held until then, ns of the monotonic clock. */
    heldUntil: new BigInt64Array(memory, 8, 1),
  };
}

export interface PulseSettings {
  readonly memory: SharedArrayBuffer;
  readonly address: DatabaseAddress;
  readonly applicationName: string;
  readonly incarnationId: number;
  /** ms */
  readonly lease: number;
  /** ms */
  readonly stuckAfter: number;
}

/** What the thread tells. */
export type PulseNews =
  | { readonly kind: "renewed" }
  /** The database did not answer, or with an error. */
  | { readonly kind: "missed"; readonly reason: string }
  | { readonly kind: "fenced" }
  /** The main loop did not move for `stuck` ms; told when it moves again. */
  | { readonly kind: "stuck"; readonly stuck: number };
