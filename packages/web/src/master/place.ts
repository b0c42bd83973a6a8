import type { ChildHandle } from "./child-handle.ts";

/** First pause after a child that died early, and the longest, ms; it doubles. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 30_000;
/** A child that lived this long after it was ready has not died early, ms. */
const LONG_ENOUGH = 10_000;

/** A place in the tree: the processes that come and go under one server name. */
export class Place {
  readonly kind: "worker" | "mule";
  readonly number: number;
  readonly serverName: string;
  /** Of a mule. */
  readonly farm: string | undefined;
  /** The one that serves, or is to serve. */
  current: ChildHandle | undefined;
  /** Loads beside it, to take over. */
  successor: ChildHandle | undefined;
  /** Told to end. */
  readonly retiring = new Set<ChildHandle>();
  respawns = 0;
  harakiris = 0;
  #failures = 0;
  #notBefore = 0;

  constructor(kind: "worker" | "mule", number: number, serverName: string, farm?: string) {
    this.kind = kind;
    this.number = number;
    this.serverName = serverName;
    this.farm = farm;
  }

  get children(): ChildHandle[] {
    return [this.current, this.successor, ...this.retiring].filter((child) => child !== undefined);
  }

  /** ms until a child may start here. */
  get pause(): number {
    return Math.max(0, this.#notBefore - performance.now());
  }

  /** The child has ended: takes it out, and remembers one that died early. */
  left(child: ChildHandle): void {
    this.retiring.delete(child);
    if (this.successor === child) this.successor = undefined;
    if (this.current !== child) return;
    this.current = undefined;
    if (Date.now() - child.startedAt > LONG_ENOUGH) this.#failures = 0;
    else this.#failures += 1;
    // The first time at once: one accident is no pattern.
    if (this.#failures > 1)
      this.#notBefore =
        performance.now() + Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(16, this.#failures - 2));
  }

  /** The successor takes over; the one before is to be retired. */
  promote(): ChildHandle | undefined {
    const old = this.current;
    this.current = this.successor;
    this.successor = undefined;
    return old;
  }

  retire(child: ChildHandle, mercy: number): void {
    if (this.current === child) this.current = undefined;
    if (this.successor === child) this.successor = undefined;
    this.retiring.add(child);
    child.retire(mercy);
  }
}
