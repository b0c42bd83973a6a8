import type { ComponentType } from "preact";
import type { ToolInput } from "../api-types.ts";
import { Icon } from "../shell/icon.tsx";
import { BooleanInput, ColorInput, NumberInput, TextInput } from "./basic-inputs.tsx";
import { DataInput } from "./data-input.tsx";
import { placeOf } from "./field-errors.ts";
import { activeCase, initialValues, type Path, type Values } from "./form-values.ts";
import type { Form } from "./form.ts";
import { fieldId, labelOf, type FieldProps } from "./input-field.tsx";
import { SelectInput } from "./select-input.tsx";

/**
 * The fields of a level of the form: the whole tool, a case, an element of a repeat. The inputs that hold others are in
 * this file too, for they contain each other.
 */
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

/** A discriminator and the inputs of the case it selects; another choice brings that case's defaults. */
function ConditionalInput({ input, path, value, form }: FieldProps) {
  const test = input.test_param;
  if (!test) return null;
  const values = (value ?? {}) as Values;
  const inputs = activeCase(input, values[test.name]);
  const testPath = placeOf([...path, test.name]);
  const switching: Form = {
    ...form,
    change: (at, next) => {
      if (placeOf(at) === testPath)
        form.change(path, { [test.name]: next, ...initialValues(activeCase(input, next)) });
      else form.change(at, next);
    },
  };
  return (
    <div class="group">
      <Inputs inputs={[test]} path={path} values={values} form={switching} />
      {inputs.length > 0 ? (
        <div class="nested">
          <Inputs key={String(values[test.name])} inputs={inputs} path={path} values={values} form={form} />
        </div>
      ) : null}
    </div>
  );
}

function RepeatInput({ input, path, value, form }: FieldProps) {
  const items = Array.isArray(value) ? (value as Values[]) : [];
  const max = input.max === null || input.max === undefined ? Infinity : Number(input.max);
  const min = Number(input.min ?? 0);
  const title = labelOf(input);
  const problem = form.errors.get(placeOf(path));
  return (
    <fieldset class={problem ? "group repeat invalid" : "group repeat"} id={fieldId(path)} tabIndex={-1}>
      <legend>{title}</legend>
      {input.help ? <p class="field-hint">{input.help}</p> : null}
      {problem ? <p class="field-problem">{problem}</p> : null}
      {items.map((item, index) => (
        <div class="repeat-item" key={index} role="group" aria-label={`${title} ${index + 1}`}>
          <div class="repeat-head">
            <span>
              {title} {index + 1}
            </span>
            <button
              type="button"
              class="link-button"
              disabled={items.length <= min}
              aria-label={`Remove ${title} ${index + 1}`}
              onClick={() =>
                form.change(
                  path,
                  items.filter((_, at) => at !== index),
                )
              }
            >
              Remove
            </button>
          </div>
          <Inputs inputs={input.inputs ?? []} path={[...path, index]} values={item} form={form} />
        </div>
      ))}
      <button
        type="button"
        class="button small"
        disabled={items.length >= max}
        onClick={() => form.change(path, [...items, initialValues(input.inputs ?? [])])}
      >
        <Icon name="add" /> Add {title}
      </button>
    </fieldset>
  );
}

function SectionInput({ input, path, value, form }: FieldProps) {
  const inside = `${placeOf(path)}.`;
  const hasProblem = [...form.errors.keys()].some((place) => place.startsWith(inside));
  return (
    <details class="group section" open={input.expanded === true || hasProblem}>
      <summary>{labelOf(input)}</summary>
      {input.help ? <p class="field-hint">{input.help}</p> : null}
      <Inputs inputs={input.inputs ?? []} path={path} values={(value ?? {}) as Values} form={form} />
    </details>
  );
}
