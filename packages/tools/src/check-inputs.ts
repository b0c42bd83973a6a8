import { didYouMean, type Fault } from "@galaxy-jobs/runtime";
import { chosenParameters, type DataReference, type InputValue, type InputValues } from "./input-values.ts";
import type { ConditionalInput, LeafInput, RepeatInput, ToolInput } from "./tool-source.ts";
import type { Tool } from "./tool.ts";

export type CheckedInputs =
  | { readonly ok: true; readonly inputs: InputValues }
  | { readonly ok: false; readonly faults: Fault[] };

/** Most items of a repeat, and most nested levels: a request cannot make a job of any size. */
const mostItems = 1_000;

/**
 * Checks what a request gives for a tool's inputs, all faults at once, and fills in defaults. Takes nested values and Galaxy's
 * flat keys, `conditional|parameter` and `repeat_0|parameter` (galaxy.md 6.4). A fault's key is the flat name.
 */
export function checkInputs(tool: Tool, raw: unknown): CheckedInputs {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    return {
      ok: false,
      faults: [
        { key: "inputs", message: "inputs must be an object", remedy: 'for example {"name": "value"}' },
      ],
    };
  }
  const checker = new Checker();
  const inputs = checker.level(tool.inputs, ownKeys(raw), "");
  return checker.faults.length > 0 ? { ok: false, faults: checker.faults } : { ok: true, inputs };
}

class Checker {
  readonly faults: Fault[] = [];

  level(parameters: readonly ToolInput[], raw: Record<string, unknown>, prefix: string): InputValues {
    const values: InputValues = {};
    const taken = new Set<string>();
    for (const input of parameters) values[input.name] = this.#input(input, raw, taken, prefix);
    for (const key of Object.keys(raw)) {
      if (taken.has(key)) continue;
      const meant = didYouMean(
        key,
        parameters.map(({ name }) => name),
      );
      this.#fault(
        `${prefix}${key}`,
        "the tool has no such input",
        meant === undefined ? undefined : `did you mean ${meant}?`,
      );
    }
    return values;
  }

  #input(input: ToolInput, raw: Record<string, unknown>, taken: Set<string>, prefix: string): InputValue {
    const flat = `${prefix}${input.name}`;
    switch (input.type) {
      case "section":
        return this.level(input.parameters, this.#group(input.name, raw, taken, flat), `${flat}|`);
      case "conditional":
        return this.#conditional(input, this.#group(input.name, raw, taken, flat), flat);
      case "repeat":
        return this.#repeat(input, raw, taken, flat);
      default:
        taken.add(input.name);
        return this.#leaf(input, raw[input.name], flat);
    }
  }

  /** A nested object, or the flat keys `name|…`. */
  #group(
    name: string,
    raw: Record<string, unknown>,
    taken: Set<string>,
    flat: string,
  ): Record<string, unknown> {
    const group = ownKeys({});
    const nested = raw[name];
    taken.add(name);
    if (typeof nested === "object" && nested !== null && !Array.isArray(nested)) Object.assign(group, nested);
    else if (nested !== undefined && nested !== null) this.#fault(flat, "must be an object");
    for (const key of Object.keys(raw)) {
      if (!key.startsWith(`${name}|`)) continue;
      taken.add(key);
      group[key.slice(name.length + 1)] = raw[key];
    }
    return group;
  }

  #conditional(input: ConditionalInput, raw: Record<string, unknown>, flat: string): InputValue {
    const test = input.test_parameter;
    const chosen = this.#leaf(test, raw[test.name], `${flat}|${test.name}`);
    const rest = ownKeys(raw);
    delete rest[test.name];
    const parameters = chosenParameters(input, chosen);
    if (parameters === undefined && Object.keys(rest).length === 0) return { [test.name]: chosen };
    return { [test.name]: chosen, ...this.level(parameters ?? [], rest, `${flat}|`) };
  }

  #repeat(input: RepeatInput, raw: Record<string, unknown>, taken: Set<string>, flat: string): InputValue {
    const items: Record<string, unknown>[] = [];
    const nested = raw[input.name];
    taken.add(input.name);
    if (Array.isArray(nested)) {
      for (const [index, item] of nested.entries()) {
        if (typeof item === "object" && item !== null && !Array.isArray(item))
          items[index] = ownKeys(item as object);
        else {
          this.#fault(`${flat}_${index}`, "must be an object");
          items[index] = ownKeys({});
        }
      }
    } else if (nested !== undefined && nested !== null) this.#fault(flat, "must be a list");
    for (const key of Object.keys(raw)) {
      const match = /^(\d{1,4})\|(.+)$/.exec(
        key.startsWith(`${input.name}_`) ? key.slice(input.name.length + 1) : "",
      );
      if (match === null) continue;
      taken.add(key);
      const index = Number(match[1]);
      if (index < mostItems) (items[index] ??= ownKeys({}))[match[2]!] = raw[key];
      else this.#fault(flat, `takes at most ${mostItems} of them`);
    }
    const least = input.min ?? 0;
    if (items.length < least) this.#fault(flat, `needs at least ${least} of them, got ${items.length}`);
    if (items.length > Math.min(input.max ?? mostItems, mostItems))
      this.#fault(
        flat,
        `takes at most ${Math.min(input.max ?? mostItems, mostItems)} of them, got ${items.length}`,
      );
    return Array.from(items, (item, index) =>
      this.level(input.parameters, item ?? ownKeys({}), `${flat}_${index}|`),
    );
  }

  #leaf(input: LeafInput, given: unknown, flat: string): InputValue {
    const isOption = input.type === "select" && input.options.some(({ value }) => value === given);
    const missing =
      given === undefined || given === null || (given === "" && input.type !== "text" && !isOption);
    if (missing) return this.#absent(input, flat);
    switch (input.type) {
      case "boolean":
        return this.#boolean(given, flat);
      case "integer":
      case "float":
        return this.#number(input, given, flat);
      case "text":
        return this.#text(input, given, flat);
      case "color":
        if (typeof given === "string" && /^#[0-9a-fA-F]{6}$/.test(given)) return given;
        return this.#fault(flat, `must be a colour such as #1f77b4, not ${shown(given)}`);
      case "select":
        return this.#select(input, given, flat);
      case "data":
        return this.#data(input, given, flat);
    }
  }

  #absent(input: LeafInput, flat: string): InputValue {
    if (input.type === "boolean") return input.value ?? (input.optional === true ? null : false);
    if (input.type === "select") {
      const selected = input.options.filter((option) => option.selected === true).map(({ value }) => value);
      if (input.multiple === true) {
        if (selected.length > 0 || input.optional === true) return selected;
        return this.#fault(flat, "is required: choose at least one");
      }
      if (selected[0] !== undefined) return selected[0];
      return input.optional === true ? null : input.options[0]!.value;
    }
    if (input.type !== "data" && input.value !== undefined && input.value !== null) return input.value;
    if (input.optional === true) return input.type === "data" && input.multiple === true ? [] : null;
    if (input.type === "text" && input.validators === undefined) return "";
    return this.#fault(flat, "is required");
  }

  #boolean(given: unknown, flat: string): InputValue {
    if (given === true || given === "true") return true;
    if (given === false || given === "false") return false;
    return this.#fault(flat, `must be true or false, not ${shown(given)}`);
  }

  #number(input: LeafInput & { type: "integer" | "float" }, given: unknown, flat: string): InputValue {
    const value =
      typeof given === "string" && /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(given)
        ? Number(given)
        : given;
    if (typeof value !== "number" || !Number.isFinite(value))
      return this.#fault(flat, `must be a number, not ${shown(given)}`);
    if (input.type === "integer" && !Number.isSafeInteger(value))
      return this.#fault(flat, `must be a whole number, not ${shown(given)}`);
    if (input.min !== undefined && input.min !== null && value < input.min)
      return this.#fault(flat, `must be at least ${input.min}, not ${value}`);
    if (input.max !== undefined && input.max !== null && value > input.max)
      return this.#fault(flat, `must be at most ${input.max}, not ${value}`);
    for (const validator of input.validators ?? []) {
      if (validator.type !== "in_range") continue;
      const below =
        validator.min !== undefined &&
        (validator.exclude_min === true ? value <= validator.min : value < validator.min);
      const above =
        validator.max !== undefined &&
        (validator.exclude_max === true ? value >= validator.max : value > validator.max);
      if ((below || above) !== (validator.negate === true)) {
        return this.#fault(
          flat,
          validator.message ?? `must be in the range ${validator.min ?? ""} to ${validator.max ?? ""}`,
        );
      }
    }
    return value;
  }

  #text(input: LeafInput & { type: "text" }, given: unknown, flat: string): InputValue {
    const value = typeof given === "number" || typeof given === "boolean" ? String(given) : given;
    if (typeof value !== "string") return this.#fault(flat, `must be a text, not ${shown(given)}`);
    if (value.includes("\0")) return this.#fault(flat, "must not hold a NUL character");
    // Half a character: it has no UTF-8, so neither the database nor a command can have it.
    if (/\p{Surrogate}/u.test(value)) return this.#fault(flat, "must not hold half of a surrogate pair");
    for (const validator of input.validators ?? []) {
      const holds =
        validator.type === "length"
          ? Array.from(value).length >= (validator.min ?? 0) &&
            Array.from(value).length <= (validator.max ?? Number.POSITIVE_INFINITY)
          : validator.type === "regex"
            ? new RegExp(`^(?:${validator.expression})`, "u").test(value)
            : validator.type === "empty_field"
              ? value !== ""
              : true;
      if (holds === (validator.negate === true))
        return this.#fault(flat, validator.message ?? `does not pass the tool's check (${validator.type})`);
    }
    return value;
  }

  #select(input: LeafInput & { type: "select" }, given: unknown, flat: string): InputValue {
    const options = input.options.map(({ value }) => value);
    const chosen = input.multiple === true ? (Array.isArray(given) ? given : [given]) : [given];
    for (const value of chosen) {
      if (typeof value === "string" && options.includes(value)) continue;
      const meant = typeof value === "string" ? didYouMean(value, options) : undefined;
      const choices = options.length > 20 ? "" : `; it takes ${options.join(", ")}`;
      return this.#fault(
        flat,
        `${shown(value)} is none of its options${choices}`,
        meant === undefined ? undefined : `did you mean ${meant}?`,
      );
    }
    if (input.multiple === true && chosen.length === 0 && input.optional !== true)
      return this.#fault(flat, "is required: choose at least one");
    return input.multiple === true ? (chosen as string[]) : (chosen[0] as string);
  }

  #data(input: LeafInput & { type: "data" }, given: unknown, flat: string): InputValue {
    const unwrapped =
      typeof given === "object" && given !== null && !Array.isArray(given) && "values" in given
        ? (given as { values: unknown }).values
        : given;
    const list = Array.isArray(unwrapped) ? unwrapped : [unwrapped];
    const references: DataReference[] = [];
    for (const item of list) {
      const { src, id } = (typeof item === "object" && item !== null ? item : {}) as {
        src?: unknown;
        id?: unknown;
      };
      if (src !== "hda" || typeof id !== "string")
        return this.#fault(flat, 'must name a dataset: {"src": "hda", "id": "…"}');
      references.push({ src, id });
    }
    if (input.multiple !== true) {
      if (references.length === 1) return references[0] as unknown as InputValue;
      return references.length === 0
        ? this.#absent(input, flat)
        : this.#fault(flat, `takes one dataset, got ${references.length}`);
    }
    const least = input.min ?? (input.optional === true ? 0 : 1);
    if (references.length < least)
      return this.#fault(flat, `needs at least ${least} dataset(s), got ${references.length}`);
    if (references.length > (input.max ?? mostItems))
      return this.#fault(flat, `takes at most ${input.max ?? mostItems} datasets, got ${references.length}`);
    return references as unknown as InputValue;
  }

  #fault(key: string, message: string, remedy?: string): null {
    this.faults.push({ key, message, ...(remedy === undefined ? {} : { remedy }) });
    return null;
  }
}

/** A copy that has no keys but its own: a name such as constructor or __proto__ means nothing in it. */
function ownKeys(source: object): Record<string, unknown> {
  return Object.assign(Object.create(null) as Record<string, unknown>, source);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
