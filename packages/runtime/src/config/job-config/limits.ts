import { shownValue } from "../../faults.ts";
import type { Destination, DestinationLimit, JobLimits } from "../job-config.ts";
import { number, size, WrongValue, type OptionKind } from "../option-kinds.ts";
import { suggestion } from "../../faults.ts";
import type { Place } from "./place.ts";

const KEYS = ["type", "id", "tag", "value", "window"];
/** Other names of the same limits (galaxy.md 3.7). */
const ALIASES: Readonly<Record<string, string>> = {
  environment_user_concurrent_jobs: "destination_user_concurrent_jobs",
  environment_total_concurrent_jobs: "destination_total_concurrent_jobs",
  concurrent_jobs: "destination_user_concurrent_jobs",
};
const TYPES = [
  "registered_user_concurrent_jobs",
  "anonymous_user_concurrent_jobs",
  "destination_user_concurrent_jobs",
  "destination_total_concurrent_jobs",
  "walltime",
  "total_walltime",
  "output_size",
];
const DEFAULT_WINDOW_DAYS = 30;

const count = number({ min: 0, max: 1_000_000, whole: true, unit: "jobs" });

/** HH:MM:SS, or seconds; YAML reads an unquoted 12:00:00 as a number of base 60, which is the same. */
export const duration: OptionKind<number> = {
  read(raw) {
    if (typeof raw === "number" && Number.isFinite(raw) && raw > 0) return raw;
    const match = /^\s*(\d{1,6}):([0-5]?\d):([0-5]?\d)\s*$/.exec(String(raw));
    const seconds = match === null ? 0 : Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);
    if (seconds === 0) throw new WrongValue(`expected a time such as 24:00:00, got ${shownValue(raw)}`);
    return seconds;
  },
};

/**
 * `limits` (galaxy.md 3.7). A limit with an empty value is skipped, as in Galaxy.
 *
 * @param disabled ids and tags of destinations that are not enabled: a limit on one of them limits nothing
 */
export function readLimits(
  limits: Place,
  destinations: Readonly<Record<string, Destination>>,
  disabled: ReadonlySet<string>,
): JobLimits {
  const found: {
    -readonly [Key in keyof JobLimits]: JobLimits[Key];
  } = { destinationUserConcurrentJobs: [], destinationTotalConcurrentJobs: [] };
  for (const limit of limits.items()) {
    limit.onlyKeys(KEYS);
    const written = limit.get("type").text();
    if (written === undefined) {
      limit.fault("type is required", `one of ${TYPES.join(", ")}`);
      continue;
    }
    const type = ALIASES[written.toLowerCase()] ?? written.toLowerCase();
    const value = limit.get("value");
    if (value.isEmpty && TYPES.includes(type)) continue;
    switch (type) {
      case "registered_user_concurrent_jobs":
        setCount(
          value,
          (jobs) => (found.registeredUserConcurrentJobs = jobs),
          "for a user it means no limit",
        );
        break;
      case "anonymous_user_concurrent_jobs":
        setCount(value, (jobs) => (found.anonymousUserConcurrentJobs = jobs), "for a user it means no limit");
        break;
      case "destination_user_concurrent_jobs":
        setCount(
          value,
          (jobs) => {
            const applied = destinationLimit(limit, jobs, destinations, disabled);
            if (applied !== undefined)
              found.destinationUserConcurrentJobs = [...found.destinationUserConcurrentJobs, applied];
          },
          "for a user it means no limit",
        );
        break;
      case "destination_total_concurrent_jobs":
        setCount(
          value,
          (jobs) => {
            const applied = destinationLimit(limit, jobs, destinations, disabled);
            if (applied !== undefined)
              found.destinationTotalConcurrentJobs = [...found.destinationTotalConcurrentJobs, applied];
          },
          "on a destination it means that no job may run there",
        );
        break;
      case "walltime": {
        const seconds = value.read(duration);
        if (seconds !== undefined) found.walltime = seconds;
        break;
      }
      case "total_walltime": {
        const seconds = value.read(duration);
        const windowDays =
          limit.get("window").read(number({ min: 1, max: 36_500, unit: "days" })) ?? DEFAULT_WINDOW_DAYS;
        if (seconds !== undefined) found.totalWalltime = { seconds, windowDays };
        break;
      }
      case "output_size": {
        const bytes = value.read(size);
        if (bytes === 0) value.warn("the limit is 0: for the size of an output it means no limit");
        else if (bytes !== undefined) found.outputSize = bytes;
        break;
      }
      default:
        limit
          .get("type")
          .fault(
            `unknown type of limit ${shownValue(written)}`,
            suggestion(type, [...TYPES, ...Object.keys(ALIASES)]).remedy ?? `one of ${TYPES.join(", ")}`,
          );
    }
  }
  return found;
}

/** 0 means something else for each kind of limit, as in Galaxy; `config check` says which. */
function setCount(value: Place, set: (jobs: number) => void, zero: string): void {
  const jobs = value.read(count);
  if (jobs === undefined) return;
  if (jobs === 0) value.warn(`the limit is 0: ${zero}`);
  set(jobs);
}

/** `tag` beats `id` if both are given (galaxy.md 3.7). */
function destinationLimit(
  limit: Place,
  value: number,
  destinations: Readonly<Record<string, Destination>>,
  disabled: ReadonlySet<string>,
): DestinationLimit | undefined {
  const by = limit.get("tag").isEmpty ? "id" : "tag";
  const place = limit.get(by);
  const name = place.text();
  if (name === undefined) {
    limit.fault("this type of limit needs the id or the tag of environments");
    return undefined;
  }
  const known =
    by === "id" ? Object.keys(destinations) : Object.values(destinations).flatMap(({ tags }) => tags);
  if (!known.includes(name)) {
    if (disabled.has(name)) return undefined;
    place.noSuch(by === "id" ? "environment" : "environment with the tag", name, known);
    return undefined;
  }
  return { by, name, value };
}
