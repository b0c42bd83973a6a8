import { announcement } from "../live-events.ts";

/** The one place from which screen readers hear of jobs that ended. */
export function Announcer() {
  return (
    <p class="visually-hidden" role="status" aria-live="polite">
      {announcement.value}
    </p>
  );
}
