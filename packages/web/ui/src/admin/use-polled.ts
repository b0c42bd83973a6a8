import { useEffect, useRef } from "preact/hooks";
import { useLoad, type Loaded } from "../use-load.ts";

/** Between two looks while all is well, and at most while the server does not answer, ms. */
const PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 30_000;

/** Loads something again and again while the page is looked at; less and less often while that fails. */
export function usePolled<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const loaded = useLoad(key, load);
  const failures = useRef(0);
  failures.current = loaded.error === undefined ? 0 : failures.current + 1;
  const { reload, data, error } = loaded;
  useEffect(() => {
    if (data === undefined && error === undefined) return;
    const again = () => {
      if (document.visibilityState === "visible") reload();
    };
    const pause = Math.min(PAUSE_MS * 2 ** failures.current, LONGEST_PAUSE_MS);
    const timer = window.setTimeout(again, pause);
    document.addEventListener("visibilitychange", again);
    return () => {
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", again);
    };
  }, [data, error, reload]);
  return loaded;
}
