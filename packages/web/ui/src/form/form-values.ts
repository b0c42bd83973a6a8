import type { ToolInput } from "../api-types.ts";

export type Values = Record<string, unknown>;
export type Path = readonly (string | number)[];

/** The values a form begins with: the tool's defaults, or those of an earlier run (`given`, Galaxy's state_inputs). */
export function initialValues(inputs: readonly ToolInput[], given: Values = {}): Values {
  const values: Values = {};
  for (const input of inputs) values[input.name] = initialValue(input, given[input.name]);
  return values;
}

export function setIn(values: Values, path: Path, value: unknown): Values {
  return setInAny(values, path, value) as Values;
}

/** The case of a conditional that the present value of its discriminator selects. */
export function activeCase(input: ToolInput, value: unknown): readonly ToolInput[] {
  const text = optionText(value);
  return input.cases?.find((each) => optionText(each.value) === text)?.inputs ?? [];
}

/** The `inputs` to submit, nested as input_format 21.01 wants them; numbers that cannot be read stay as typed, for the server to refuse. */
export function payloadOf(inputs: readonly ToolInput[], values: Values): Values {
  const payload: Values = {};
  for (const input of inputs) payload[input.name] = payloadValue(input, values[input.name]);
  return payload;
}

/** A select's options as [label, value], whatever their original types. */
export function optionsOf(input: ToolInput): { label: string; value: string; selected: boolean }[] {
  if (!Array.isArray(input.options)) return [];
  return (input.options as unknown[]).map((option) => {
    if (Array.isArray(option))
      return { label: String(option[0]), value: String(option[1]), selected: option[2] === true };
    const fields = option as { label?: string; value?: string; selected?: boolean };
    return {
      label: String(fields.label ?? fields.value),
      value: String(fields.value),
      selected: fields.selected === true,
    };
  });
}

function initialValue(input: ToolInput, given: unknown): unknown {
  switch (input.type) {
    case "conditional": {
      const old = asValues(given);
      const test = input.test_param;
      if (!test) return {};
      const choice = initialValue(test, old[test.name]);
      return { [test.name]: choice, ...initialValues(activeCase(input, choice), old) };
    }
    case "repeat": {
      const old = Array.isArray(given) ? given : undefined;
      const count = Math.max(old?.length ?? input.default ?? 0, Number(input.min ?? 0));
      return Array.from({ length: count }, (_, index) =>
        initialValues(input.inputs ?? [], asValues(old?.[index])),
      );
    }
    case "section":
      return initialValues(input.inputs ?? [], asValues(given));
    case "data":
    case "data_collection":
      return initialData(input, given);
    case "boolean":
      return isTrue(given ?? input.value ?? false);
    case "select":
      return initialSelect(input, given);
    default:
      return textOf(given ?? input.value);
  }
}

function initialData(input: ToolInput, given: unknown): unknown {
  const ids = idsOf(given);
  if (input.multiple) return ids;
  // undefined: nobody has chosen yet, the newest fitting dataset will be offered; '': none, on purpose.
  return ids[0] ?? (input.optional ? "" : undefined);
}

function initialSelect(input: ToolInput, given: unknown): unknown {
  const options = optionsOf(input);
  const value = given ?? input.value;
  if (input.multiple) {
    if (Array.isArray(value)) return value.map(String);
    if (typeof value === "string" && value !== "") return value.split(",");
    return options.filter((option) => option.selected).map((option) => option.value);
  }
  if (value !== null && value !== undefined && !Array.isArray(value)) return optionText(value);
  return (
    options.find((option) => option.selected)?.value ?? (input.optional ? "" : (options[0]?.value ?? ""))
  );
}

function payloadValue(input: ToolInput, value: unknown): unknown {
  switch (input.type) {
    case "conditional": {
      const values = asValues(value);
      const test = input.test_param;
      if (!test) return {};
      return {
        [test.name]: payloadValue(test, values[test.name]),
        ...payloadOf(activeCase(input, values[test.name]), values),
      };
    }
    case "repeat":
      return (Array.isArray(value) ? value : []).map((each) => payloadOf(input.inputs ?? [], asValues(each)));
    case "section":
      return payloadOf(input.inputs ?? [], asValues(value));
    case "data":
    case "data_collection": {
      if (input.multiple) {
        const ids = Array.isArray(value) ? value : [];
        return ids.length === 0 ? null : { values: ids.map((id) => ({ src: "hda", id: String(id) })) };
      }
      return typeof value === "string" && value !== "" ? { src: "hda", id: value } : null;
    }
    case "integer":
    case "float":
      return numberOrText(String(value ?? "").trim());
    case "select":
      return value === "" && input.optional ? null : value;
    default:
      return value;
  }
}

function numberOrText(text: string): number | string | null {
  if (text === "") return null;
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

function setInAny(at: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(at))
    return at.map((each: unknown, index) => (index === key ? setInAny(each, rest, value) : each));
  const object = asValues(at);
  return { ...object, [key]: setInAny(object[key], rest, value) };
}

function idsOf(given: unknown): string[] {
  if (Array.isArray(given)) return given.flatMap(idsOf);
  if (typeof given !== "object" || given === null) return [];
  const fields = given as { id?: unknown; values?: unknown };
  return typeof fields.id === "string" ? [fields.id] : idsOf(fields.values);
}

function optionText(value: unknown): string {
  return value === null || value === undefined ? "" : String(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : "";
}

function isTrue(value: unknown): boolean {
  return value === true || (typeof value === "string" && /^(true|yes|on|1)$/i.test(value));
}

function asValues(value: unknown): Values {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Values) : {};
}
