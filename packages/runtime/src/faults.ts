/** One thing that is wrong with what a person wrote: where it is, what it is, and what to do about it. */
export interface Fault {
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
  /** Dotted path, e.g. `galaxy.cleanup_job` or `inputs[0].type`. */
  readonly key?: string;
  readonly message: string;
  readonly remedy?: string;
}

/** `config/galaxy.yml:12:3: galaxy.clenup_job: unknown key; did you mean cleanup_job?`: always one line. */
export function formatFault(fault: Fault): string {
  const place = [fault.file, fault.line, fault.line === undefined ? undefined : fault.column]
    .filter((part) => part !== undefined)
    .join(":");
  const head = [place, fault.key].filter((part) => part !== undefined && part !== "").join(": ");
  const text = fault.remedy === undefined ? fault.message : `${fault.message}; ${fault.remedy}`;
  return onOneLine(head === "" ? text : `${head}: ${text}`);
}

/** Everything that is wrong with one subject (a file, a configuration), found in one pass. */
export class FaultsError extends Error {
  readonly subject: string;
  readonly faults: readonly Fault[];

  constructor(subject: string, faults: readonly Fault[]) {
    const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
    super(`${subject}: ${count}\n${faults.map((fault) => `  ${formatFault(fault)}`).join("\n")}`);
    this.name = "FaultsError";
    this.subject = subject;
    this.faults = faults;
  }
}

/**
 * The candidate that was most likely meant: at most one edit for each three letters away, where swapping two neighbours
 * is one edit, `-`, `_` and case count for nothing.
 */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const plainWord = plain(word);
  const limit = Math.max(1, Math.floor(plainWord.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    if (candidate === word || Math.abs(candidate.length - word.length) > limit + 2) continue;
    const distance = editDistance(plainWord, plain(candidate));
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** `{ remedy: "did you mean x?" }` where there is such an x, else nothing: made to be spread into a fault. */
export function suggestion(word: string, candidates: Iterable<string>): { remedy?: string } {
  const meant = didYouMean(word, candidates);
  return meant === undefined ? {} : { remedy: `did you mean ${meant}?` };
}

/** `["inputs", 0, "type"]` → `inputs[0].type` */
export function dottedPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += text === "" ? String(step) : `.${String(step)}`;
  }
  return text;
}

/** A value as a fault shows it: never long, and a list or map only by its kind. */
export function shownValue(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  const json = typeof value === "string" ? JSON.stringify(value) : `${value as number}`;
  return json.length > 60 ? `${json.slice(0, 57)}…` : json;
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_\s]/g, "");
}

/** Damerau-Levenshtein distance (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let distance = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + same);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, at(beforeLast, column - 2) + 1);
      }
      current.push(distance);
    }
    [beforeLast, last] = [last, current];
  }
  return at(last, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}

function onOneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is being replaced
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) =>
    character === "\n" ? "\\n" : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
