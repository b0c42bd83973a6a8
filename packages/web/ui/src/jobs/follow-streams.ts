import { useEffect, useRef, useState } from "preact/hooks";
import { request } from "../api.ts";
import { hasEnded } from "../shell/state-badge.tsx";

interface ConsoleOutput {
  readonly state: string;
  readonly stdout: string;
  readonly stdout_start: number;
  readonly stdout_end: number;
  readonly stderr: string;
  readonly stderr_start: number;
  readonly stderr_end: number;
}

export interface FollowedStreams {
  readonly stdout: string;
  readonly stderr: string;
  /** The job has ended and all that it wrote has been read. */
  readonly complete: boolean;
}

interface Followed {
  readonly text: string;
  /** In bytes of the whole stream. */
  readonly position: number;
}

const POLL_MS = 1000;
const CHUNK = 50_000;
/** More than this is not kept in the page. */
export const KEPT = 400_000;
const BEGINNING: Followed = { text: "", position: 0 };

/**
 * Follows both streams of a job that runs, by position, and on to their ends when it ends meanwhile: nothing that was shown is
 * taken away, nothing is shown twice.
 * @returns undefined for a job that had ended before
 */
export function useStreams(id: string, running: boolean): FollowedStreams | undefined {
  const [followed, setFollowed] = useState<FollowedStreams>();
  const wasRunning = useRef(false);
  if (running) wasRunning.current = true;
  const follow = wasRunning.current;
  useEffect(() => {
    if (!follow) return;
    const controller = new AbortController();
    let stdout = BEGINNING;
    let stderr = BEGINNING;
    let timer = 0;
    const ask = async () => {
      let wait = POLL_MS;
      try {
        const query = `stdout_position=${stdout.position}&stdout_length=${CHUNK}&stderr_position=${stderr.position}&stderr_length=${CHUNK}`;
        const part = await request<ConsoleOutput>(
          `/api/jobs/${encodeURIComponent(id)}/console_output?${query}`,
          { signal: controller.signal },
        );
        const before = [stdout, stderr];
        const ended = hasEnded(part.state);
        stdout = append(stdout, part.stdout, part.stdout_start, part.stdout_end, ended);
        stderr = append(stderr, part.stderr, part.stderr_start, part.stderr_end, ended);
        const still = before[0] === stdout && before[1] === stderr;
        const complete = still && ended;
        setFollowed({ stdout: stdout.text, stderr: stderr.text, complete });
        if (complete) return;
        if (!still && (ended || part.stdout.length + part.stderr.length > CHUNK / 2)) wait = 0;
      } catch {
        // A lost answer is asked for again.
      }
      if (!controller.signal.aborted) timer = window.setTimeout(() => void ask(), wait);
    };
    setFollowed({ stdout: "", stderr: "", complete: false });
    void ask();
    return () => {
      controller.abort();
      window.clearTimeout(timer);
    };
  }, [id, follow]);
  return followed;
}

/** @returns the same object when nothing was added */
function append(old: Followed, text: string, start: number, end: number, ended: boolean): Followed {
  // A new attempt of the job writes a new stream, from its beginning; one that was cancelled may have kept none.
  if (end < old.position) return ended ? old : BEGINNING;
  if (end === old.position) return old;
  // What an ended job has not kept.
  const gap = start > old.position ? `\n..\n[${start - old.position} bytes left out]\n..\n` : "";
  return { text: (old.text + gap + text).slice(-KEPT), position: end };
}
