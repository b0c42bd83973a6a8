import { wordsOf } from "../api.ts";
import { Icon } from "./icon.tsx";

/** What went wrong, in a box that screen readers announce, with a way on. */
export function Problem({
  error,
  retry,
  title,
}: {
  error: unknown;
  retry?: (() => void) | undefined;
  title?: string;
}) {
  return (
    <div class="problem" role="alert">
      <p>
        <Icon name="warning" />
        <span>
          {title ? <strong>{title} </strong> : null}
          {wordsOf(error)}
        </span>
      </p>
      {retry ? (
        <button type="button" class="button" onClick={retry}>
          <Icon name="again" /> Try again
        </button>
      ) : null}
    </div>
  );
}
