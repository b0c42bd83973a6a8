import type { ConditionalInput, ToolInput } from "./tool-source.ts";
import type { Tool } from "./tool.ts";

export type InputValue = string | number | boolean | null | InputValue[] | { [key: string]: InputValue };
/** Values of a tool's inputs, nested as the tool nests them. */
export type InputValues = Record<string, InputValue>;

/** A dataset named as an input: an opaque id in a request, a row's number in a stored job. */
export interface DataReference {
  readonly src: "hda";
  readonly id: string | number;
}

/** What expressions see of a dataset (galaxy.md 7.5). */
export interface FileValue {
  readonly class: "File";
  readonly path: string;
  readonly basename: string;
  readonly nameroot: string;
  readonly nameext: string;
  /** Bytes. */
  readonly size: number;
  /** Datatype's extension. */
  readonly format: string;
  /** The dataset's name in its history. */
  readonly name: string;
}

/** The datasets that the values name, each with its input's flat name (`queries_0|input2`). */
export function dataReferences(
  tool: Tool,
  inputs: InputValues,
): { name: string; reference: DataReference }[] {
  const found: { name: string; reference: DataReference }[] = [];
  mapDataReferences(tool, inputs, (reference, name) => {
    found.push({ name, reference });
    return null;
  });
  return found;
}

/** The values with each dataset reference replaced. */
export function mapDataReferences(
  tool: Tool,
  inputs: InputValues,
  map: (reference: DataReference, flatName: string) => unknown,
): InputValues {
  return mapLevel(tool.inputs, inputs, "", map);
}

function mapLevel(
  parameters: readonly ToolInput[],
  values: InputValues,
  prefix: string,
  map: (reference: DataReference, flatName: string) => unknown,
): InputValues {
  const result: InputValues = { ...values };
  for (const input of parameters) {
    const value = values[input.name];
    if (value === undefined || value === null) continue;
    const flat = `${prefix}${input.name}`;
    if (input.type === "data") {
      const one = (reference: InputValue) => map(reference as unknown as DataReference, flat) as InputValue;
      result[input.name] = Array.isArray(value) ? value.map(one) : one(value);
    } else if (input.type === "section") {
      result[input.name] = mapLevel(input.parameters, value as InputValues, `${flat}|`, map);
    } else if (input.type === "repeat") {
      result[input.name] = (value as InputValues[]).map((item, index) =>
        mapLevel(input.parameters, item, `${flat}_${index}|`, map),
      );
    } else if (input.type === "conditional") {
      const chosen = chosenParameters(input, (value as InputValues)[input.test_parameter.name]);
      result[input.name] = mapLevel(chosen ?? [], value as InputValues, `${flat}|`, map);
    }
  }
  return result;
}

/** The parameters of a conditional's branch. */
export function chosenParameters(
  input: ConditionalInput,
  test: InputValue | undefined,
): ToolInput[] | undefined {
  return input.whens.find(({ discriminator }) => String(discriminator) === String(test))?.parameters;
}
