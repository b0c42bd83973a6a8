import { optionsOf } from "./form-values.ts";
import { describedBy, fieldId, Labelled, type FieldProps } from "./input-field.tsx";
import { placeOf } from "./field-errors.ts";

const FEW = 4;

/** One of several: radio buttons when few (or asked for), else a list. Several of several: checkboxes. */
export function SelectInput(props: FieldProps) {
  const { input, path, value, form } = props;
  const options = optionsOf(input);
  if (input.multiple) return <Several {...props} />;
  if (input.display === "radio" || (options.length <= FEW && !input.optional)) {
    return (
      <Labelled {...props} group>
        <div class="choices">
          {options.map((option) => (
            <label class="check" key={option.value}>
              <input
                type="radio"
                name={fieldId(path)}
                value={option.value}
                checked={String(value) === option.value}
                onChange={() => form.change(path, option.value)}
              />
              <span>{option.label}</span>
            </label>
          ))}
        </div>
      </Labelled>
    );
  }
  return (
    <Labelled {...props}>
      <select
        id={fieldId(path)}
        value={String(value ?? "")}
        aria-invalid={form.errors.has(placeOf(path))}
        aria-describedby={describedBy(input, path, form.errors)}
        onChange={(event) => form.change(path, event.currentTarget.value)}
      >
        {input.optional ? <option value="">Nothing chosen</option> : null}
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </Labelled>
  );
}

function Several(props: FieldProps) {
  const { input, path, value, form } = props;
  const chosen = Array.isArray(value) ? value.map(String) : [];
  const options = optionsOf(input);
  const toggle = (option: string, on: boolean) => {
    const next = options
      .map((each) => each.value)
      .filter((each) => (each === option ? on : chosen.includes(each)));
    form.change(path, next);
  };
  return (
    <Labelled {...props} group>
      <div class="choices scrolling">
        {options.map((option) => (
          <label class="check" key={option.value}>
            <input
              type="checkbox"
              checked={chosen.includes(option.value)}
              onChange={(event) => toggle(option.value, event.currentTarget.checked)}
            />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
    </Labelled>
  );
}
