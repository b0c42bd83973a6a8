import { useEffect } from "preact/hooks";
import { request } from "../api.ts";
import { useLive } from "../live-events.ts";
import { Time } from "../sizes-and-times.tsx";
import { useLoad } from "../use-load.ts";

interface Why {
  readonly state: string;
  readonly code: string;
  readonly reason: string;
  readonly since: string;
}

/** A handler that comes or goes changes the answer without any event about a job. */
const LOOK_AGAIN_MS = 5000;
const WAITING = new Set(["new", "resubmitted", "queued", "waiting", "paused"]);

/** Whether a job in this state is held up by something that can be told. */
export function waits(state: string): boolean {
  return WAITING.has(state);
}

/** What a job waits for, in the server's words, kept up to date while it waits. */
export function WhyItWaits({ id, state }: { id: string; state: string }) {
  const why = useLoad(`why ${id} ${state}`, (signal) =>
    request<Why>(`/api/jobs/${encodeURIComponent(id)}/why`, { signal }),
  );
  useLive(() => why.reload());
  useEffect(() => {
    const timer = window.setTimeout(() => why.reload(), LOOK_AGAIN_MS);
    return () => window.clearTimeout(timer);
  }, [why.data, why.error]);
  // The page itself says when the server does not answer.
  if (why.data === undefined) return null;
  const { code, reason, since } = why.data;
  // A cluster may put a job that runs back into its queue.
  if (!waits(why.data.state) && code !== "requeued") return null;
  return (
    <section class="note why" data-why={code} aria-live="polite">
      <h2>{state === "paused" ? "Why it is paused" : "Why it waits"}</h2>
      <p>{sentence(reason)}</p>
      <p class="quiet">
        since <Time at={since} />
      </p>
    </section>
  );
}

function sentence(text: string): string {
  const capital = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
