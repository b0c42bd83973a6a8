import type { Path } from "./form-values.ts";

export type FieldErrors = ReadonlyMap<string, string>;

/** Galaxy's err_data (flat `cond|x`, `queries_0|input2`, or nested objects) as one message per place. */
export function readFieldErrors(data: unknown): FieldErrors {
  const errors = new Map<string, string>();
  collect(data, [], errors);
  return errors;
}

/** How a place in the form is spelled in a FieldErrors map: words and numbers joined by dots. */
export function placeOf(path: Path): string {
  return path.join(".");
}

function collect(data: unknown, path: string[], errors: Map<string, string>): void {
  if (typeof data === "string") {
    if (path.length > 0) errors.set(path.join("."), data);
    return;
  }
  if (Array.isArray(data)) {
    if (data.every((each) => typeof each === "string")) collect(data.join(" "), path, errors);
    else data.forEach((each: unknown, index) => collect(each, [...path, String(index)], errors));
    return;
  }
  if (typeof data !== "object" || data === null) return;
  for (const [key, value] of Object.entries(data)) collect(value, [...path, ...segments(key)], errors);
}

/** `queries_0|input2` → queries, 0, input2; `a[1].b` → a, 1, b. A name that itself ends in _1 stays whole when it is the last word. */
function segments(key: string): string[] {
  const words = key.replace(/\[(\d+)\]/g, ".$1").split(/[|.]/);
  return words.flatMap((word, index) => {
    const repeat = index < words.length - 1 && key.includes("|") ? /^(.+)_(\d+)$/.exec(word) : null;
    return repeat ? [repeat[1] ?? "", repeat[2] ?? ""] : [word];
  });
}
