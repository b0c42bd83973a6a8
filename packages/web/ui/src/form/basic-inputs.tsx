import { describedBy, fieldId, Labelled, type FieldProps } from "./input-field.tsx";
import { placeOf } from "./field-errors.ts";

export function TextInput(props: FieldProps) {
  const { input, path, value, form } = props;
  const common = {
    id: fieldId(path),
    value: String(value ?? ""),
    "aria-invalid": form.errors.has(placeOf(path)),
    "aria-describedby": describedBy(input, path, form.errors),
  };
  return (
    <Labelled {...props}>
      {input.area ? (
        <textarea {...common} rows={4} onInput={(event) => form.change(path, event.currentTarget.value)} />
      ) : (
        <input
          {...common}
          type="text"
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => form.change(path, event.currentTarget.value)}
        />
      )}
    </Labelled>
  );
}

/** A text field with a numeric keyboard: what was typed is kept as typed, so that the complaint about it makes sense. */
export function NumberInput(props: FieldProps) {
  const { input, path, value, form } = props;
  const step = (event: KeyboardEvent) => {
    const direction = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
    const number = Number(value);
    if (direction === 0 || input.type !== "integer" || !Number.isInteger(number)) return;
    event.preventDefault();
    const min =
      input.min === null || input.min === undefined || input.min === "" ? -Infinity : Number(input.min);
    const max =
      input.max === null || input.max === undefined || input.max === "" ? Infinity : Number(input.max);
    form.change(path, String(Math.min(max, Math.max(min, number + direction))));
  };
  return (
    <Labelled {...props}>
      <input
        id={fieldId(path)}
        type="text"
        class="number"
        inputMode={input.type === "integer" && Number(input.min ?? -1) >= 0 ? "numeric" : "text"}
        autocomplete="off"
        value={String(value ?? "")}
        aria-invalid={form.errors.has(placeOf(path))}
        aria-describedby={describedBy(input, path, form.errors)}
        onKeyDown={step}
        onInput={(event) => form.change(path, event.currentTarget.value)}
      />
    </Labelled>
  );
}

export function BooleanInput(props: FieldProps) {
  const { input, path, value, form } = props;
  const problem = form.errors.get(placeOf(path));
  return (
    <div class={problem ? "field invalid" : "field"}>
      <label class="check">
        <input
          id={fieldId(path)}
          type="checkbox"
          checked={value === true || value === "true"}
          aria-describedby={describedBy(input, path, form.errors)}
          onChange={(event) => form.change(path, event.currentTarget.checked)}
        />
        <span>{input.label || input.name}</span>
      </label>
      {input.help ? (
        <p class="field-hint" id={`${fieldId(path)}-hint`}>
          {input.help}
        </p>
      ) : null}
      {problem ? (
        <p class="field-problem" id={`${fieldId(path)}-problem`}>
          {problem}
        </p>
      ) : null}
    </div>
  );
}

export function ColorInput(props: FieldProps) {
  const { input, path, value, form } = props;
  const text = String(value ?? "");
  return (
    <Labelled {...props}>
      <span class="colour">
        <input
          id={fieldId(path)}
          type="color"
          value={/^#[0-9a-f]{6}$/i.test(text) ? text : "#000000"}
          aria-describedby={describedBy(input, path, form.errors)}
          onInput={(event) => form.change(path, event.currentTarget.value)}
        />
        <code>{text}</code>
      </span>
    </Labelled>
  );
}
