import { didYouMean, shownValue } from "../faults.ts";
import { list, number, text, WrongValue, type OptionKind } from "./option-kinds.ts";

/** How a destination with the runner `dynamic` decides (galaxy.md 3.9). */
export type DynamicRule =
  | {
      readonly type: "choose_one";
      /** Ids or tags. */
      readonly among: readonly string[];
      /** The first that a job has decides; empty: at random. */
      readonly hashBy: readonly HashKey[];
    }
  | {
      readonly type: "burst";
      /** Ids or tags. */
      readonly from: readonly string[];
      readonly to: string;
      /** Jobs that may be on `from` at once; the next one goes to `to`. */
      readonly most: number;
      readonly states: readonly BurstState[];
    }
  | {
      readonly type: "javascript";
      /** Undefined: the tool's id. */
      readonly function?: string;
      /** Undefined: all modules. */
      readonly module?: string;
      /** Seconds that it may take. */
      readonly timeout: number;
    }
  /** A type of rule that Galaxy has and that does not run here. */
  | { readonly type: "foreign"; readonly reason: string; readonly remedy: string };

export type HashKey = "job" | "user" | "history" | "workflow_invocation";
export type BurstState = "queued" | "running";

export interface RuleFault {
  /** The parameter that is wrong. */
  readonly key: string;
  readonly message: string;
  readonly remedy?: string;
}

const TYPES = ["choose_one", "burst", "javascript"];
const HASH_KEYS: readonly HashKey[] = ["job", "user", "history", "workflow_invocation"];
const BURST_STATES: readonly BurstState[] = ["queued", "running"];
const DEFAULT_TIMEOUT = 10;
const javaScript = "write it as a function in a module of job_rules_directory, with type: javascript";

/**
 * Reads the rule of a destination with the runner `dynamic` from its parameters. A rule with faults is there as far as it can be
 * read, to be looked at, not to be followed.
 */
export function readDynamicRule(params: Readonly<Record<string, unknown>>): {
  readonly rule: DynamicRule | undefined;
  readonly faults: readonly RuleFault[];
} {
  const reader = new RuleReader(params);
  const rule = readRule(reader);
  return { rule, faults: reader.faults };
}

function readRule(reader: RuleReader): DynamicRule | undefined {
  const type = reader.get("type", text) ?? "python";
  switch (type) {
    case "choose_one":
      return {
        type,
        among: reader.required("destination_ids", list) ?? [],
        hashBy: reader.oneOf("hash_by", HASH_KEYS) ?? [],
      };
    case "burst":
      return {
        type,
        from: reader.required("from_destination_ids", list) ?? [],
        to: reader.required("to_destination_id", text) ?? "",
        most: reader.required("num_jobs", number({ min: 0, max: 1_000_000, whole: true })) ?? 0,
        states: reader.oneOf("job_states", BURST_STATES) ?? BURST_STATES,
      };
    case "javascript": {
      const name = reader.get("function", text);
      const module = reader.get("rules_module", text);
      const timeout = reader.get("rule_timeout", number({ min: 0.1, max: 600 })) ?? DEFAULT_TIMEOUT;
      return {
        type,
        timeout,
        ...(name === undefined ? {} : { function: name }),
        ...(module === undefined ? {} : { module }),
      };
    }
    case "python":
      return {
        type: "foreign",
        reason: "rules are JavaScript or TypeScript here, not Python",
        remedy: javaScript,
      };
    case "dtd":
      return {
        type: "foreign",
        reason: "the dynamic tool destinations of tool_destinations.yml do not run here",
        remedy: javaScript,
      };
    case "docker_dispatch":
      return {
        type: "foreign",
        reason: "docker_dispatch has nothing to decide here, where jobs run without containers",
        remedy: "name the destination of its default_destination_id instead",
      };
    default: {
      const meant = didYouMean(type, TYPES);
      reader.fault(
        "type",
        `unknown type of rule ${shownValue(type)}`,
        meant === undefined ? `write one of ${TYPES.join(", ")}` : `did you mean ${meant}?`,
      );
      return undefined;
    }
  }
}

class RuleReader {
  readonly faults: RuleFault[] = [];
  readonly #params: Readonly<Record<string, unknown>>;

  constructor(params: Readonly<Record<string, unknown>>) {
    this.#params = params;
  }

  fault(key: string, message: string, remedy?: string): void {
    this.faults.push({ key, message, ...(remedy === undefined ? {} : { remedy }) });
  }

  get<T>(key: string, kind: OptionKind<T>): T | undefined {
    const value = Object.hasOwn(this.#params, key) ? this.#params[key] : undefined;
    if (value === undefined || value === null || value === "") return undefined;
    try {
      return kind.read(value);
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error;
      this.fault(key, error.message, error.remedy);
      return undefined;
    }
  }

  required<T>(key: string, kind: OptionKind<T>): T | undefined {
    const value = this.get(key, kind);
    const missing = value === undefined || (Array.isArray(value) && value.length === 0);
    if (missing && !this.faults.some((fault) => fault.key === key)) this.fault(key, `${key} is required`);
    return value;
  }

  /** A list of words, each one of those that are known. */
  oneOf<T extends string>(key: string, known: readonly T[]): T[] | undefined {
    return this.get(key, list)?.flatMap((word) => {
      const found = known.find((one) => one === word);
      if (found === undefined)
        this.fault(key, `${shownValue(word)} is none of ${known.join(", ")}`, remedyFor(word, known));
      return found ?? [];
    });
  }
}

function remedyFor(word: string, known: readonly string[]): string | undefined {
  const meant = didYouMean(word, known);
  return meant === undefined ? undefined : `did you mean ${meant}?`;
}
