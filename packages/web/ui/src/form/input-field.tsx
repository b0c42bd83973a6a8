import type { ComponentChildren } from "preact";
import type { ToolInput } from "../api-types.ts";
import type { Form } from "./form.ts";
import { placeOf, type FieldErrors } from "./field-errors.ts";
import type { Path } from "./form-values.ts";

export interface FieldProps {
  readonly input: ToolInput;
  readonly path: Path;
  readonly value: unknown;
  readonly form: Form;
}

export function fieldId(path: Path): string {
  return `field-${placeOf(path)}`;
}

export function labelOf(input: ToolInput): string {
  return input.label || input.title || input.name;
}

export function describedBy(input: ToolInput, path: Path, errors: FieldErrors): string | undefined {
  const ids = [];
  if (hintOf(input) !== "") ids.push(`${fieldId(path)}-hint`);
  if (errors.has(placeOf(path))) ids.push(`${fieldId(path)}-problem`);
  return ids.length === 0 ? undefined : ids.join(" ");
}

/** Label, control, help and the server's complaint of one input. `group` for controls that are several elements. */
export function Labelled({
  input,
  path,
  form,
  group = false,
  children,
}: FieldProps & { group?: boolean; children: ComponentChildren }) {
  const problem = form.errors.get(placeOf(path));
  const hint = hintOf(input);
  const id = fieldId(path);
  const label = (
    <>
      {labelOf(input)}
      {input.optional ? <span class="optional"> optional</span> : null}
    </>
  );
  const notes = (
    <>
      {hint === "" ? null : (
        <p class="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {problem ? (
        <p class="field-problem" id={`${id}-problem`}>
          {problem}
        </p>
      ) : null}
    </>
  );
  const className = problem ? "field invalid" : "field";
  if (group) {
    return (
      <fieldset
        class={className}
        id={id}
        tabIndex={-1}
        aria-describedby={describedBy(input, path, form.errors)}
      >
        <legend>{label}</legend>
        {children}
        {notes}
      </fieldset>
    );
  }
  return (
    <div class={className}>
      <label for={id}>{label}</label>
      {children}
      {notes}
    </div>
  );
}

function hintOf(input: ToolInput): string {
  const parts = input.help ? [/[.!?]$/.test(input.help) ? input.help : `${input.help}.`] : [];
  const hasMin = input.min !== null && input.min !== undefined && input.min !== "";
  const hasMax = input.max !== null && input.max !== undefined && input.max !== "";
  if (input.type === "integer" || input.type === "float") {
    if (hasMin && hasMax) parts.push(`From ${input.min} to ${input.max}.`);
    else if (hasMin) parts.push(`At least ${input.min}.`);
    else if (hasMax) parts.push(`At most ${input.max}.`);
  }
  return parts.join(" ");
}
