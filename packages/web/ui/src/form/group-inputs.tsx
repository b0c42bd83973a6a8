import { Icon } from "../shell/icon.tsx";
import { activeCase, initialValues, type Values } from "./form-values.ts";
import { fieldId, labelOf, type FieldProps } from "./input-field.tsx";
import { Inputs } from "./inputs.tsx";
import type { Form } from "./form.ts";
import { placeOf } from "./field-errors.ts";

/** A discriminator and the inputs of the case it selects; another choice brings that case's defaults. */
export function ConditionalInput({ input, path, value, form }: FieldProps) {
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

export function RepeatInput({ input, path, value, form }: FieldProps) {
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

export function SectionInput({ input, path, value, form }: FieldProps) {
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
