import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

export interface LiveEvent {
  readonly id?: string;
  readonly state?: string;
  readonly tool_id?: string;
}

type Listener = (events: readonly LiveEvent[]) => void;

/** live: events arrive; connecting: first try; reconnecting: lost, the page asks every 5 seconds meanwhile. */
export const liveStatus = signal<"connecting" | "live" | "reconnecting">("connecting");
/** Read out by screen readers when a job ends. */
export const announcement = signal("");

const POLL_MS = 5000;
/** Changes are gathered for this long, so that a burst of jobs is one refresh. */
const GATHER_MS = 120;
const listeners = new Set<Listener>();
let source: EventSource | undefined;
let pollTimer: number | undefined;
let gatherTimer: number | undefined;
let gathered: LiveEvent[] = [];

/** Opens the stream of the user's own changes; harmless when it is open already. */
export function connectLive(): void {
  if (source) return;
  source = new EventSource("/api/events");
  source.addEventListener("open", () => {
    window.clearTimeout(pollTimer);
    pollTimer = undefined;
    // What happened while we were away is not sent again.
    if (liveStatus.value === "reconnecting") tell([]);
    liveStatus.value = "live";
  });
  for (const name of ["message", "job", "jobs", "dataset", "state"]) source.addEventListener(name, receive);
  source.addEventListener("error", () => {
    liveStatus.value = "reconnecting";
    pollTimer ??= window.setTimeout(poll, POLL_MS);
  });
}

export function disconnectLive(): void {
  source?.close();
  source = undefined;
  window.clearTimeout(pollTimer);
  pollTimer = undefined;
  liveStatus.value = "connecting";
}

/** Calls back after changes; an empty list means "anything may have changed". */
export function useLive(listener: Listener): void {
  const current = useRef(listener);
  current.current = listener;
  useEffect(() => {
    const call: Listener = (events) => current.current(events);
    listeners.add(call);
    return () => void listeners.delete(call);
  }, []);
}

/** For changes this page made itself: the lists follow without waiting for the stream. */
export function tellChanged(): void {
  tell([]);
}

function receive(message: MessageEvent): void {
  let event: LiveEvent = {};
  try {
    event = JSON.parse(String(message.data)) as LiveEvent;
  } catch {
    // A hint without readable facts is still a hint.
  }
  announce(event);
  gathered.push(event);
  gatherTimer ??= window.setTimeout(() => {
    gatherTimer = undefined;
    const events = gathered;
    gathered = [];
    tell(events);
  }, GATHER_MS);
}

function announce(event: LiveEvent): void {
  if (event.state === "ok" || event.state === "error" || event.state === "paused") {
    announcement.value = `Job${event.tool_id ? ` ${event.tool_id}` : ""}: ${event.state === "ok" ? "done" : event.state}`;
  }
}

function poll(): void {
  pollTimer = window.setTimeout(poll, POLL_MS);
  tell([]);
  // A refused stream (not a dropped one) is not retried by the browser.
  if (source?.readyState === EventSource.CLOSED) {
    source = undefined;
    connectLive();
  }
}

function tell(events: readonly LiveEvent[]): void {
  for (const listener of listeners) listener(events);
}
