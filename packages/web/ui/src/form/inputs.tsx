import type { ComponentType } from "preact";
import type { ToolInput } from "../api-types.ts";
import type { FieldProps } from "./input-field.tsx";
import { ConditionalInput, RepeatInput, SectionInput } from "./group-inputs.tsx";
import { DataInput } from "./data-input.tsx";
import type { Form } from "./form.ts";
import type { Path, Values } from "./form-values.ts";
import { SelectInput } from "./select-input.tsx";
import { BooleanInput, ColorInput, NumberInput, TextInput } from "./basic-inputs.tsx";

/** The fields of a level of the form: the whole tool, a case, an element of a repeat. */
export function Inputs({
  inputs,
  path,
  values,
  form,
}: {
  inputs: readonly ToolInput[];
  path: Path;
  values: Values;
  form: Form;
}) {
  return (
    <>
      {inputs.map((input) => {
        if (input.type === "hidden" || input.hidden) return null;
        const Kind = KINDS[input.type] ?? TextInput;
        return (
          <Kind
            key={input.name}
            input={input}
            path={[...path, input.name]}
            value={values[input.name]}
            form={form}
          />
        );
      })}
    </>
  );
}

const KINDS: Record<string, ComponentType<FieldProps>> = {
  text: TextInput,
  integer: NumberInput,
  float: NumberInput,
  boolean: BooleanInput,
  color: ColorInput,
  select: SelectInput,
  data: DataInput,
  conditional: ConditionalInput,
  repeat: RepeatInput,
  section: SectionInput,
};
