import type { Facts, LogFormat } from "./log.ts";

const SECRET_NAME = /secret|passw(or)?d|passphrase|api[_-]?key|token|authorization|cookie/i;
const MASK = "***";
const LONGEST_TEXT = 16_384;
const DEEPEST = 6;
/** syslog(3)'s. */
const PRIORITIES: Readonly<Record<string, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** `2026-01-31T12:00:00.000Z INFO  job.finished job=7 tool="line count"` */
export function textLine(time: string, level: string, event: string, facts: Facts): string {
  const pairs = Object.entries(facts).map(([key, value]) => ` ${bare(key)}=${textValue(value)}`);
  return `${time} ${level.toUpperCase().padEnd(5)} ${bare(event)}${pairs.join("")}`;
}

/** `{"time":…,"level":"info","event":"job.finished","job":7}`; a fact of one of these names gets `fact_` before it. */
export function jsonLine(time: string, level: string, event: string, facts: Facts): string {
  const line: Facts = { time, level, event };
  for (const [key, value] of Object.entries(facts))
    line[Object.hasOwn(line, key) ? `fact_${key}` : key] = value;
  return escapeControls(JSON.stringify(line));
}

/** A line of text or JSON as the journal takes it (sd-daemon(3)). */
export function journalLine(level: string, line: string): string {
  return `<${PRIORITIES[level] ?? 6}>${line.replace(/^\d{4}-\S+Z [A-Z]+ +/, "")}`;
}

/**
 * A copy of the facts that is safe to write: plain values only, secrets masked, cycles, getters that throw and endless
 * texts cut. Undefined facts are left out.
 */
export function plainFacts(facts: Facts, format: LogFormat): Facts {
  return plainObject(facts, format, []);
}

/** Masks the password in anything that looks like a URL with one. */
export function maskUrlPasswords(text: string): string {
  return text
    .replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/?#@"']*:)[^\s"']+@/gi, `$1${MASK}@`)
    .replaceAll(/([?&](?:password|key|token)=)[^\s&"']+/gi, `$1${MASK}`);
}

/** True for a name whose value no log may show. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

function plain(value: unknown, format: LogFormat, above: readonly object[]): unknown {
  if (typeof value === "string") return cut(maskUrlPasswords(value));
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint" || typeof value === "symbol") return value.toString();
  if (typeof value === "function") return `(function ${value.name})`;
  if (typeof value !== "object" || value === null) return value;
  if (above.includes(value)) return "(cycle)";
  if (above.length >= DEEPEST) return "(deeper)";
  if (value instanceof Error) return plainError(value, format, [...above, value]);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "(no date)" : value.toISOString();
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => plain(item, format, [...above, value]));
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`;
  if (value instanceof Map) return plainObject(Object.fromEntries(value), format, [...above, value]);
  if (value instanceof Set) return plain([...value], format, above);
  return plainObject(value, format, [...above, value]);
}

function plainObject(value: object, format: LogFormat, above: readonly object[]): Facts {
  const copy: Facts = Object.create(null) as Facts;
  for (const key of Object.keys(value)) {
    try {
      const member = (value as Facts)[key];
      if (member === undefined) continue;
      copy[key] = isSecretName(key) && member !== null ? MASK : plain(member, format, above);
    } catch (error) {
      copy[key] = `(unreadable: ${String(error)})`;
    }
  }
  return copy;
}

/** As text its message and those of its causes; in JSON name, code and stack too. */
function plainError(error: Error, format: LogFormat, above: readonly object[]): unknown {
  const causes: string[] = [];
  for (let cause = error.cause; cause instanceof Error && causes.length < 5; cause = cause.cause) {
    causes.push(cause.message);
  }
  const within = error instanceof AggregateError ? error.errors.map((inner) => String(inner)) : [];
  const own = error.message === "" ? error.name : error.message;
  const message = cut(
    maskUrlPasswords([own, ...within, ...causes.filter((cause) => !own.includes(cause))].join(": ")),
  );
  if (format === "text") return message;
  const code: unknown = "code" in error ? error.code : undefined;
  return plainObject({ message, name: error.name, code, stack: error.stack }, format, above);
}

function cut(text: string): string {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}… (${text.length} characters)`;
}

function textValue(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (typeof value !== "string" && typeof value !== "object") return text;
  return /^[\w@%+:,./*()[\]-]+$/.test(text) ? text : escapeControls(JSON.stringify(text));
}

/** A key or an event name: what could end the line, or look like another fact, is escaped. */
function bare(text: string): string {
  return /^[\w.:/-]+$/.test(text) ? text : escapeControls(JSON.stringify(text));
}

/** JSON.stringify leaves DEL, C1 controls, line separators and characters that change the direction of text as they are. */
function escapeControls(json: string): string {
  return json.replaceAll(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
