import type { Dataset } from "../api-types.ts";
import type { FieldErrors } from "./field-errors.ts";
import type { Path } from "./form-values.ts";

/** What every field of a tool's form needs to know. */
export interface Form {
  readonly errors: FieldErrors;
  /** The history's datasets, newest first; undefined while they load. */
  readonly datasets: readonly Dataset[] | undefined;
  change(path: Path, value: unknown): void;
  datasetsChanged(): void;
}
