import type { Socket } from "node:net";
import type { ChildHandle } from "./child-handle.ts";
import { ConnectionQueue } from "./connection-queue.ts";

/** Gives each connection to the ready worker with the fewest; among equals in turn. While there is none, they wait. */
export class ConnectionRouter {
  readonly queue = new ConnectionQueue();
  #workers: readonly ChildHandle[] = [];
  #turn = 0;

  /** @param workers those that take connections from now on */
  serve(workers: readonly ChildHandle[]): void {
    this.#workers = workers;
    while (this.queue.size > 0 && workers.some(({ isReady }) => isReady)) {
      const { listener, socket } = this.queue.next()!;
      this.route(listener, socket);
    }
  }

  route(listener: string, socket: Socket): void {
    if (socket.destroyed) return;
    if (this.#pick()?.handOver(listener, socket) !== true) this.queue.hold(listener, socket);
  }

  #pick(): ChildHandle | undefined {
    this.#turn += 1;
    let best: ChildHandle | undefined;
    for (let step = 0; step < this.#workers.length; step += 1) {
      const worker = this.#workers[(this.#turn + step) % this.#workers.length]!;
      if (worker.isReady && !worker.isRetiring && (best === undefined || worker.load < best.load))
        best = worker;
    }
    return best;
  }
}
