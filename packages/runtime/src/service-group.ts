import type { Service } from "./service.ts";

/**
 * Services that live together: started in order, stopped in reverse. A failed start stops those already started and
 * throws the failure. A stop that comes during the start lets the service that is just starting finish, then stops.
 */
export class ServiceGroup implements Service {
  readonly name: string;
  readonly #services: readonly Service[];
  #started: Service[] = [];
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #stopWanted = false;

  constructor(name: string, services: readonly Service[]) {
    this.name = name;
    this.#services = services;
  }

  start(): Promise<void> {
    this.#starting ??= this.#startAll();
    return this.#starting;
  }

  stop(): Promise<void> {
    if (this.#starting === undefined) return Promise.resolve();
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #startAll(): Promise<void> {
    this.#stopWanted = false;
    try {
      for (const service of this.#services) {
        if (this.#stopWanted) return;
        await service.start();
        this.#started.push(service);
      }
    } catch (error) {
      this.#starting = undefined;
      await this.#stopStarted().catch((failure: unknown) => {
        throw new AggregateError([error, failure], `${this.name}: start failed, and so did undoing it`);
      });
      throw error;
    }
  }

  async #stopAll(): Promise<void> {
    this.#stopWanted = true;
    try {
      await this.#starting?.catch(() => undefined);
      await this.#stopStarted();
    } finally {
      this.#starting = undefined;
      this.#stopping = undefined;
    }
  }

  /** Stops all of them, whatever each one says, and then throws what went wrong. */
  async #stopStarted(): Promise<void> {
    const failures: unknown[] = [];
    for (let service = this.#started.pop(); service !== undefined; service = this.#started.pop()) {
      await service.stop().catch((error: unknown) => failures.push(error));
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1)
      throw new AggregateError(failures, `${this.name}: ${failures.length} services failed to stop`);
  }
}
