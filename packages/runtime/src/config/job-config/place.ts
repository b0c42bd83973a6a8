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
    return Object.entries(this.raw).map(([key, value]) => [
      key,
      new Place(this.reading, [...this.path, key], value),
    ]);
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

  /** A fault for a name that is none of those that exist, with the one that may be meant. */
  noSuch(what: string, name: string, existing: Iterable<string>): void {
    this.fault(`there is no ${what} ${shownValue(name)}`, suggestion(name, existing).remedy);
  }
}
