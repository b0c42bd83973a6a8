import { Loop, type Service } from "@galaxy-jobs/runtime";
import { NewerDatabaseError, refuseIfShutOut, type Database } from "@galaxy-jobs/shared-db";

/** Between two looks, ms. */
const interval = 10_000;

/**
 * Ends a process that a migration of a newer release has shut out. Migrations wait until there is no such process, as far as they can
 * see; this is for those that they could not see, e.g. one that was cut off from the database.
 */
export class SchemaWatch implements Service {
  readonly name = "schema-watch";
  readonly #loop: Loop;

  constructor(
    database: Database,
    protocol: number,
    tell: { onShutOut(error: NewerDatabaseError): void; onError(error: unknown): void },
  ) {
    this.#loop = new Loop({
      name: this.name,
      work: async () => {
        await refuseIfShutOut(database, protocol);
        return interval;
      },
      onError: (error) => (error instanceof NewerDatabaseError ? tell.onShutOut(error) : tell.onError(error)),
      errorDelay: interval,
    });
  }

  start(): Promise<void> {
    return this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }
}
