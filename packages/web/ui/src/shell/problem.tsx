import { ApiError, wordsOf } from "../api.ts";
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
  const offline = error instanceof ApiError && error.status === 0;
  return (
    <div class="problem" role="alert">
      <p>
        <Icon name="warning" />
        <span>
          {title ? <strong>{title} </strong> : null}
          {wordsOf(error)}
          {offline ? " What you typed is kept." : ""}
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
