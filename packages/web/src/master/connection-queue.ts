import type { Socket } from "node:net";

/** Connections that wait for a worker at most, and how long, ms. */
const MOST_HELD = 4096;
const LONGEST_WAIT = 60_000;

interface Held {
  readonly listener: string;
  readonly socket: Socket;
  readonly timer: NodeJS.Timeout;
}

/** Connections that came while no worker was ready: they wait instead of being refused. Nothing of them is read. */
export class ConnectionQueue {
  #held: Held[] = [];
  #turnedAway = 0;

  get size(): number {
    return this.#held.length;
  }

  /** Connections that waited too long, or for which there was no place. */
  get turnedAway(): number {
    return this.#turnedAway;
  }

  waitingAt(listener: string): number {
    return this.#held.filter((held) => held.listener === listener).length;
  }

  hold(listener: string, socket: Socket): void {
    if (this.#held.length >= MOST_HELD) {
      this.#turnedAway += 1;
      socket.destroy();
      return;
    }
    const held = { listener, socket, timer: setTimeout(() => this.#giveUp(held), LONGEST_WAIT).unref() };
    socket.once("close", () => this.#remove(held));
    this.#held.push(held);
  }

  /** The one that waits longest; it is the caller's now. */
  next(): { readonly listener: string; readonly socket: Socket } | undefined {
    const held = this.#held.shift();
    if (held === undefined) return undefined;
    clearTimeout(held.timer);
    return held;
  }

  /** Closes all of them. */
  clear(): void {
    for (let held = this.next(); held !== undefined; held = this.next()) held.socket.destroy();
  }

  #giveUp(held: Held): void {
    this.#turnedAway += 1;
    held.socket.destroy();
  }

  #remove(held: Held): void {
    clearTimeout(held.timer);
    this.#held = this.#held.filter((other) => other !== held);
  }
}
