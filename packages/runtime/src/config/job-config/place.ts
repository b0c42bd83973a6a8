import { shownValue, suggestion, type Fault } from "../../faults.ts";
import type { DocumentPath } from "../../yaml-document.ts";
import { isMapping, type ConfigSource } from "../config-source.ts";
import { list, text, WrongValue, type OptionKind } from "../option-kinds.ts";

/** What the readers of job_conf's sections share. */
export interface Reading {
  readonly source: ConfigSource;
  readonly warn: (fault: Fault) => void;
  /** Galaxy-only things that were named already. */
  readonly unused: Set<string>;
  readonly lookup: Lookup;
}

/** Where `from_environ` and `from_config` look. */
export interface Lookup {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The value of an option of galaxy.yml; undefined where it is not set. */
  option(name: string): unknown;
  /** Names of all options there are, used here or not. */
  readonly optionNames: Iterable<string>;
}

/** A value of job_conf together with where it stands: what is wrong with it is reported there. */
export class Place {
  readonly reading: Reading;
  readonly path: DocumentPath;
  readonly raw: unknown;

  constructor(reading: Reading, path: DocumentPath, raw: unknown) {
    this.reading = reading;
    this.path = path;
    this.raw = raw;
  }

  /** Whether nothing was written: no key, null, or an empty text. */
  get isEmpty(): boolean {
    return this.raw === undefined || this.raw === null || this.raw === "";
  }

  /** The value of a key; an empty place where there is none. */
  get(key: string): Place {
    const value = isMapping(this.raw) && Object.hasOwn(this.raw, key) ? this.raw[key] : undefined;
    return new Place(this.reading, [...this.path, key], value);
  }

  /** The entries of a map; a fault and none for anything else. */
  entries(): [key: string, value: Place][] {
    if (this.isEmpty) return [];
    if (!isMapping(this.raw)) {
      this.fault(`expected a map, got ${shownValue(this.raw)}`);
      return [];
    }
    if (Object.hasOwn(this.raw, "__proto__")) this.fault("__proto__ cannot be a name");
    return Object.entries(this.raw).map(([key, value]) => [
      key,
      new Place(this.reading, [...this.path, key], value),
    ]);
  }

  /** The items of a list, or one map that stands for a list of one. */
  itemsOrOne(): Place[] {
    return isMapping(this.raw) ? [this] : this.items();
  }

  /** The items of a list; a fault and none for anything else. */
  items(): Place[] {
    if (this.isEmpty) return [];
    if (!Array.isArray(this.raw)) {
      this.fault(`expected a list, got ${shownValue(this.raw)}`);
      return [];
    }
    return this.raw.map((value: unknown, index) => new Place(this.reading, [...this.path, index], value));
  }

  /**
   * What was written, or what it names: `{from_environ: VARIABLE, default: …}` and `{from_config: option, default: …}`
   * (galaxy.md 3.2). Undefined, with a warning, where that is not set and there is no default.
   */
  settle(): unknown {
    if (!isMapping(this.raw)) return this.raw;
    const source = ["from_environ", "from_config"].find((key) => !this.get(key).isEmpty);
    if (source === undefined) return this.raw;
    this.onlyKeys(["from_environ", "from_config", "default"]);
    return this.get(source).lookUp(source === "from_environ", this.get("default")) ?? this.raw["default"];
  }

  /**
   * The key `default` of a section, or what `default_from_environ` or `default_from_config` name, with `default` for what is
   * not set (galaxy.md 2.1, 3.2).
   */
  settledDefault(): Place {
    for (const key of ["default_from_environ", "default_from_config"]) {
      const source = this.get(key);
      if (source.isEmpty) continue;
      const found = source.lookUp(key === "default_from_environ", this.get("default"));
      if (found !== undefined) return new Place(this.reading, source.path, found);
      break;
    }
    return this.get("default");
  }

  /** The value of the environment variable, or else of the option, that is written here. */
  private lookUp(inEnvironment: boolean, fallback: Place): unknown {
    const name = this.text();
    if (name === undefined) return undefined;
    const { env, option, optionNames } = this.reading.lookup;
    const found = inEnvironment ? env[name] : option(name);
    if (found !== undefined && found !== null) return found;
    if (!inEnvironment && ![...optionNames].includes(name)) this.noSuchOption(name, fallback);
    else if (fallback.isEmpty)
      this.warn(`${inEnvironment ? "the environment variable" : "the option"} ${name} is not set`);
    return undefined;
  }

  /** Galaxy takes any key of galaxy.yml; one that looks like a slip, or that nothing stands in for, is one. */
  private noSuchOption(name: string, fallback: Place): void {
    const { optionNames } = this.reading.lookup;
    if (fallback.isEmpty || suggestion(name, optionNames).remedy !== undefined)
      this.noSuch("option of galaxy.yml", name, optionNames);
    else this.warn(`the option ${name} is not set in galaxy.yml`, "its default is used");
  }

  /** The value as a kind of option; undefined when it is empty, and with a fault when it is wrong. */
  read<T>(kind: OptionKind<T>): T | undefined {
    if (this.isEmpty) return undefined;
    try {
      return kind.read(this.raw);
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error;
      this.fault(error.message, error.remedy);
      return undefined;
    }
  }

  text(): string | undefined {
    return this.read(text);
  }

  list(): readonly string[] {
    return this.read(list) ?? [];
  }

  fault(message: string, remedy?: string): void {
    this.reading.source.fault(this.path, message, remedy);
  }

  warn(message: string, remedy?: string): void {
    this.reading.warn(this.reading.source.describe(this.path, message, remedy));
  }

  /** Says of something that only Galaxy uses, once for all places that have it, that it has no effect. */
  notUsed(what: string): void {
    if (this.isEmpty || this.reading.unused.has(what)) return;
    this.reading.unused.add(what);
    this.warn(`${what} is not used here: it concerns Galaxy's own code`);
  }

  /** Makes a fault of each key that is not known. */
  onlyKeys(known: readonly string[]): void {
    for (const [key, value] of this.entries()) {
      if (!known.includes(key)) value.fault("unknown key", suggestion(key, known).remedy);
    }
  }

  /** A fault where it matters, else a warning. */
  faultIf(matters: boolean, message: string, remedy?: string): void {
    if (matters) this.fault(message, remedy);
    else this.warn(message, remedy);
  }

  /** A fault for a name that is none of those that exist, with the one that may be meant. */
  noSuch(what: string, name: string, existing: Iterable<string>): void {
    this.fault(`there is no ${what} ${shownValue(name)}`, suggestion(name, existing).remedy);
  }
}

/** Sets a parameter to what was written or is named there; leaves it out where that is not set. */
export function setParam(params: Record<string, unknown>, key: string, place: Place): void {
  const value = place.settle();
  if (value !== undefined) params[key] = value;
}
