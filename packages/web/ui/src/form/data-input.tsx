import { useEffect, useRef } from "preact/hooks";
import type { Dataset } from "../api-types.ts";
import { DropZone } from "../data/drop-zone.tsx";
import { UploadList } from "../data/upload-list.tsx";
import { startUpload, uploads } from "../data/uploads.ts";
import { sizeText } from "../sizes-and-times.tsx";
import { stateWords } from "../shell/state-badge.tsx";
import { placeOf } from "./field-errors.ts";
import { describedBy, fieldId, Labelled, type FieldProps } from "./input-field.tsx";

const UNFIT = new Set(["error", "failed", "discarded", "deleted", "failed_metadata"]);

/** One dataset (or several) of the history that fit the input, newest first, or a file uploaded on the spot. */
export function DataInput(props: FieldProps) {
  const { input, path, value, form } = props;
  const fitting = (form.datasets ?? []).filter((dataset) => fits(dataset, input.extensions));
  const place = fieldId(path);
  useEffect(() => {
    if (value === undefined && !input.multiple && fitting[0]) form.change(path, fitting[0].id);
  }, [value, fitting[0]?.id]);
  // A file dropped here becomes the chosen one when it has arrived.
  const current = useRef(value);
  current.current = value;
  const upload = (files: readonly File[]) => {
    for (const file of files) {
      startUpload(file, place, (id) => {
        form.datasetsChanged();
        if (!input.multiple) form.change(path, id);
        else {
          current.current = [...(Array.isArray(current.current) ? current.current : []), id];
          form.change(path, current.current);
        }
      });
    }
  };
  const own = uploads.value.filter((each) => each.place === place);
  return (
    <Labelled {...props} group={input.multiple === true}>
      {input.multiple ? <Several {...props} fitting={fitting} /> : <One {...props} fitting={fitting} />}
      <DropZone
        compact
        multiple={input.multiple === true}
        onFiles={upload}
        label={`Upload a file for ${input.label || input.name}`}
      />
      <UploadList uploads={own} />
    </Labelled>
  );
}

function One({ input, path, value, form, fitting }: FieldProps & { fitting: readonly Dataset[] }) {
  return (
    <select
      id={fieldId(path)}
      value={typeof value === "string" ? value : ""}
      aria-invalid={form.errors.has(placeOf(path))}
      aria-describedby={describedBy(input, path, form.errors)}
      onChange={(event) => form.change(path, event.currentTarget.value)}
    >
      {input.optional || fitting.length === 0 ? (
        <option value="">
          {form.datasets === undefined
            ? "Loading…"
            : fitting.length === 0
              ? "No fitting data yet: upload a file"
              : "Nothing chosen"}
        </option>
      ) : null}
      {fitting.map((dataset) => (
        <option key={dataset.id} value={dataset.id}>
          {optionWords(dataset)}
        </option>
      ))}
    </select>
  );
}

function Several({ path, value, form, fitting }: FieldProps & { fitting: readonly Dataset[] }) {
  const chosen = Array.isArray(value) ? value.map(String) : [];
  const toggle = (id: string, on: boolean) =>
    form.change(path, on ? [...chosen, id] : chosen.filter((each) => each !== id));
  if (fitting.length === 0)
    return (
      <p class="quiet">{form.datasets === undefined ? "Loading…" : "No fitting data yet: upload files."}</p>
    );
  return (
    <div class="choices scrolling">
      {fitting.map((dataset) => (
        <label class="check" key={dataset.id}>
          <input
            type="checkbox"
            checked={chosen.includes(dataset.id)}
            onChange={(event) => toggle(dataset.id, event.currentTarget.checked)}
          />
          <span>{optionWords(dataset)}</span>
        </label>
      ))}
    </div>
  );
}

function optionWords(dataset: Dataset): string {
  const state = dataset.state === "ok" ? sizeText(dataset.file_size) : stateWords(dataset.state);
  return `${dataset.hid === undefined ? "" : `${dataset.hid}: `}${dataset.name}${state === "" ? "" : ` (${state})`}`;
}

/** Galaxy's "data" and "auto" take anything; so does a dataset whose type nobody knows. */
function fits(dataset: Dataset, extensions: readonly string[] | undefined): boolean {
  if (dataset.deleted || UNFIT.has(dataset.state)) return false;
  const extension = dataset.extension ?? dataset.file_ext;
  if (!extensions || extensions.length === 0 || !extension || extension === "auto" || extension === "data")
    return true;
  if (extensions.some((each) => each === "data" || each === "auto" || each === extension)) return true;
  // Text is what every tabular or line-based type is made of; the server has the last word.
  return extensions.includes("txt") && !/^(gz|zip|bam|bz2|png|pdf)$|\.gz$/.test(extension);
}
