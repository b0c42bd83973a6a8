import { shownValue } from "../faults.ts";
/**
 * How the value of one option is read. `read` gets what YAML or the environment gave (there always a text) and answers
 * the value, or throws a WrongValue whose message says what was expected.
 */
export interface OptionKind<T> {
  read(raw: unknown): T;
}

export class WrongValue extends Error {
  readonly remedy: string | undefined;
  constructor(message: string, remedy?: string) {
    super(message);
    this.remedy = remedy;
  }
}

/** Any text; numbers are taken as they are written. */
export const text: OptionKind<string> = {
  read(raw) {
    if (typeof raw === "string" && !raw.includes("\0")) return raw;
    if (typeof raw === "number") return String(raw);
    throw new WrongValue(`expected a text, got ${shownValue(raw)}`);
  },
};

/** YAML 1.1's words too (yes, no, on, off): Galaxy reads its files that way. */
export const flag: OptionKind<boolean> = {
  read(raw) {
    if (typeof raw === "boolean") return raw;
    const word = String(raw).trim().toLowerCase();
    if (["true", "yes", "on", "1"].includes(word)) return true;
    if (["false", "no", "off", "0"].includes(word)) return false;
    throw new WrongValue(`expected true or false, got ${shownValue(raw)}`);
  },
};

export function number(limits: {
  min: number;
  max?: number;
  whole?: boolean;
  unit?: string;
}): OptionKind<number> {
  const { min, max = Number.MAX_SAFE_INTEGER, whole = false, unit } = limits;
  const kind = `${whole ? "a whole number" : "a number"}${unit === undefined ? "" : ` of ${unit}`}`;
  return {
    read(raw) {
      const value = typeof raw === "string" && raw.trim() !== "" ? Number(raw) : raw;
      if (typeof value !== "number" || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
        throw new WrongValue(`expected ${kind}, got ${shownValue(raw)}`);
      }
      if (value < min || value > max) {
        const range = limits.max === undefined ? `of at least ${min}` : `from ${min} to ${max}`;
        throw new WrongValue(`expected ${kind} ${range}, got ${shownValue(raw)}`);
      }
      return value;
    },
  };
}

/** Bytes: a number, or a number with K, M, G or T (powers of 1024; "2G", "512 MiB"). */
export const size: OptionKind<number> = {
  read(raw) {
    const match = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?|b)?\s*$/i.exec(String(raw));
    if (match === null)
      throw new WrongValue(`expected a size such as 1048576, 512M or 2G, got ${shownValue(raw)}`);
    const power = match[2] === undefined ? 0 : "kmgt".indexOf(match[2].toLowerCase()) + 1;
    const bytes = Math.floor(Number(match[1]) * 1024 ** power);
    if (!Number.isSafeInteger(bytes)) throw new WrongValue(`the size ${shownValue(raw)} is too large`);
    return bytes;
  },
};

/** One of some words, in any case; `also` gives older or other words their meaning. */
export function choice<const T extends string>(
  choices: readonly T[],
  also: Readonly<Record<string, T>> = {},
): OptionKind<T> {
  return {
    read(raw) {
      const word = String(raw).trim().toLowerCase();
      const found = choices.find((candidate) => candidate === word) ?? also[word];
      if (found === undefined)
        throw new WrongValue(`expected one of ${choices.join(", ")}, got ${shownValue(raw)}`);
      return found;
    },
  };
}

/** A YAML list, or a text with commas; empty items are dropped. */
export const list: OptionKind<readonly string[]> = {
  read(raw) {
    const items = Array.isArray(raw) ? raw : typeof raw === "string" ? raw.split(",") : undefined;
    if (items === undefined || items.some((item) => !["string", "number"].includes(typeof item))) {
      throw new WrongValue(`expected a list of texts, got ${shownValue(raw)}`);
    }
    return items.map((item) => String(item).trim()).filter((item) => item !== "");
  },
};

/** Any YAML value, to be read by somebody else. */
export const anything: OptionKind<unknown> = { read: (raw) => raw };
