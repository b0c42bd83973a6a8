import { chooseFrom } from "./choose-one.ts";
import type { CountQuery } from "./rule-messages.ts";

type Names = string | readonly string[];

/** What a rule can ask about more than its own job: Galaxy's RuleHelper (galaxy.md 3.9). */
export class RuleHelper {
  readonly #count: (query: CountQuery) => Promise<number>;

  constructor(count: (query: CountQuery) => Promise<number>) {
    this.#count = count;
  }

  /** How many jobs there are; `for_job_states` is queued and running where it is not given. */
  job_count(
    query: {
      readonly for_user_email?: string;
      readonly for_destination?: string;
      readonly for_destinations?: Names;
      readonly for_job_states?: Names;
    } = {},
  ): Promise<number> {
    const known = ["for_user_email", "for_destination", "for_destinations", "for_job_states"];
    const unknown = Object.keys(query).find((key) => !known.includes(key));
    if (unknown !== undefined)
      throw new TypeError(`job_count: there is no ${unknown}, but ${known.join(", ")}`);
    const names = [...namesOf(query.for_destination), ...namesOf(query.for_destinations)];
    const states = namesOf(query.for_job_states);
    return this.#count({
      states: states.length === 0 ? ["queued", "running"] : states,
      ...(names.length === 0 ? {} : { names }),
      ...(query.for_user_email === undefined ? {} : { userEmail: query.for_user_email }),
    });
  }

  /** One of a list: the same for the same value, at random without one. */
  choose_one<T>(list: readonly T[], hash_value?: number | string): T {
    if (!Array.isArray(list) || list.length === 0) throw new TypeError("choose_one: the list is empty");
    return chooseFrom<T>(list, hash_value);
  }

  /** Whether one more job on these destinations would be more than `num_jobs`. */
  async should_burst(
    destination_ids: Names,
    num_jobs: number | string,
    job_states?: Names,
  ): Promise<boolean> {
    const count = await this.job_count({
      for_destinations: destination_ids,
      ...(job_states === undefined ? {} : { for_job_states: job_states }),
    });
    return count + 1 > Number(num_jobs);
  }
}

function namesOf(names: Names | undefined): string[] {
  if (names === undefined) return [];
  const list = typeof names === "string" ? names.split(",") : [...names];
  return list.map((name) => name.trim()).filter((name) => name !== "");
}
