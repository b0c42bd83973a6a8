import type { JobConfig } from "@galaxy-jobs/runtime";
import {
  countableStates,
  countUnfinishedJobs,
  type CountableState,
  type Database,
} from "@galaxy-jobs/shared-db";
import type { JobCounter } from "./rules/rule.ts";

/**
 * Counts jobs for rules. Jobs that this handler has given a destination and not queued yet count as queued there: else all
 * jobs that are decided on at once would find the same room.
 */
export class JobTally implements JobCounter {
  readonly #config: JobConfig;
  readonly #database: Database;
  readonly #headed = new Map<number, string>();

  constructor(config: JobConfig, database: Database) {
    this.#config = config;
    this.#database = database;
  }

  head(jobId: number, destinationId: string): void {
    this.#headed.set(jobId, destinationId);
  }

  forget(jobId: number): void {
    this.#headed.delete(jobId);
  }

  /** @throws TypeError for a state that is none of those that can be counted */
  count({ names, states, userEmail }: Parameters<JobCounter["count"]>[0]): Promise<number> {
    const asked = states.map((state) => {
      const found = countableStates.find((one) => one === state);
      if (found === undefined)
        throw new TypeError(
          `jobs of the state ${state} cannot be counted, only of ${countableStates.join(", ")}`,
        );
      return found;
    });
    const destinations = names === undefined ? undefined : destinationsOf(this.#config, names);
    return countUnfinishedJobs(this.#database, {
      states: asked,
      destinations,
      userEmail,
      headed: this.#headedTo(asked, destinations),
    });
  }

  #headedTo(states: readonly CountableState[], destinations: readonly string[] | undefined): number[] {
    // Without destinations they are counted as what they are, new.
    if (destinations === undefined || !states.includes("queued")) return [];
    return [...this.#headed].flatMap(([job, destination]) => (destinations.includes(destination) ? job : []));
  }
}

/** The destinations that some ids and tags stand for; an id that job_conf does not have may be one of a rule's own. */
function destinationsOf({ destinations }: JobConfig, names: readonly string[]): string[] {
  return [
    ...new Set(
      names.flatMap((name) => [
        name,
        ...Object.values(destinations).flatMap(({ id, tags }) => (tags.includes(name) ? id : [])),
      ]),
    ),
  ];
}
