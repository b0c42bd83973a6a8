import type { RefObject } from "preact";
import type { ToolInput } from "../api-types.ts";
import type { FieldErrors } from "./field-errors.ts";
import { labelOf } from "./input-field.tsx";

interface Props {
  readonly summary: RefObject<HTMLDivElement | null>;
  readonly words: string;
  readonly errors: FieldErrors;
  readonly inputs: readonly ToolInput[];
}

/** What the server found wrong, at the top of the form, each line leading to its field. */
export function FormProblems({ words, errors, inputs, summary }: Props) {
  return (
    <div class="problem form-problems" role="alert" tabIndex={-1} ref={summary}>
      <p>
        <strong>The job was not submitted.</strong> {errors.size === 0 ? words : ""}
      </p>
      {errors.size === 0 ? null : (
        <ul>
          {[...errors].map(([place, message]) => (
            <li key={place}>
              <button type="button" class="link-button" onClick={() => focusField(place)}>
                {labelAt(inputs, place)}
              </button>
              : {message}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function focusField(place: string): void {
  const field = document.getElementById(`field-${place}`);
  field?.closest("details")?.setAttribute("open", "");
  field?.focus();
}

/** The label of the input at `a.0.b`; the place itself when the form has none there. */
function labelAt(inputs: readonly ToolInput[], place: string): string {
  let level = inputs;
  let label = place;
  for (const word of place.split(".")) {
    if (/^\d+$/.test(word)) continue;
    const input = level.find((each) => each.name === word);
    if (!input) return place;
    label = labelOf(input);
    level = [
      ...(input.inputs ?? []),
      ...(input.test_param ? [input.test_param] : []),
      ...(input.cases ?? []).flatMap((each) => each.inputs),
    ];
  }
  return label;
}
