import { Icon, type IconName } from "./icon.tsx";

interface Look {
  readonly words: string;
  readonly icon: IconName;
  readonly tone: "idle" | "busy" | "good" | "bad" | "held";
}

/** Galaxy's states of jobs and datasets in words, with an icon, so that colour is never the only sign. */
const LOOKS: Record<string, Look> = {
  new: { words: "new", icon: "dot", tone: "idle" },
  upload: { words: "uploading", icon: "upload", tone: "busy" },
  waiting: { words: "waiting", icon: "clock", tone: "idle" },
  resubmitted: { words: "resubmitted", icon: "again", tone: "idle" },
  queued: { words: "queued", icon: "clock", tone: "idle" },
  running: { words: "running", icon: "running", tone: "busy" },
  setting_metadata: { words: "finishing", icon: "running", tone: "busy" },
  ok: { words: "ok", icon: "check", tone: "good" },
  empty: { words: "empty", icon: "check", tone: "good" },
  error: { words: "error", icon: "warning", tone: "bad" },
  failed: { words: "failed", icon: "warning", tone: "bad" },
  failed_metadata: { words: "no metadata", icon: "warning", tone: "bad" },
  paused: { words: "paused", icon: "pause", tone: "held" },
  stop: { words: "stopping", icon: "stop", tone: "held" },
  stopping: { words: "stopping", icon: "stop", tone: "held" },
  stopped: { words: "stopped", icon: "stop", tone: "held" },
  deleting: { words: "cancelling", icon: "cancel", tone: "held" },
  deleted_new: { words: "cancelling", icon: "cancel", tone: "held" },
  deleted: { words: "cancelled", icon: "cancel", tone: "held" },
  discarded: { words: "discarded", icon: "cancel", tone: "held" },
};

const ENDED = new Set(["ok", "error", "failed", "deleted", "stopped", "skipped"]);

export function hasEnded(state: string): boolean {
  return ENDED.has(state);
}

/** Whether asking to cancel a job in this state makes sense. */
export function canCancel(state: string): boolean {
  return !hasEnded(state) && !["deleting", "deleted_new", "stopping", "stop"].includes(state);
}

export function stateWords(state: string): string {
  return LOOKS[state]?.words ?? state;
}

/** `past`: a state that was left, as in a timeline; nothing turns there. */
export function StateBadge({ state, past = false }: { state: string; past?: boolean }) {
  const look = LOOKS[state] ?? { words: state, icon: "dot", tone: "idle" };
  return (
    <span class={`badge tone-${look.tone}${past ? " past" : ""}`} data-state={state}>
      <Icon name={look.icon} />
      {look.words}
    </span>
  );
}
