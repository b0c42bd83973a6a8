import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Loaded<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly loading: boolean;
  /** Loads again, keeping what is shown until the answer comes. */
  reload(): void;
  /** Changes what is shown before the server confirms it (an event told us). */
  patch(change: (data: T) => T): void;
}

/** Loads something for a component and again when `key` changes; an answer that comes too late is dropped. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ key: string; data: T | undefined; error: unknown; loading: boolean }>({
    key,
    data: undefined,
    error: undefined,
    loading: true,
  });
  const loader = useRef(load);
  loader.current = load;
  const running = useRef<AbortController | undefined>(undefined);

  const start = useCallback(() => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    loader.current(controller.signal).then(
      (data) => {
        if (!controller.signal.aborted) setState({ key, data, error: undefined, loading: false });
      },
      (error: unknown) => {
        if (!controller.signal.aborted)
          setState((old) => ({ key, data: old.key === key ? old.data : undefined, error, loading: false }));
      },
    );
  }, [key]);

  useEffect(() => {
    setState((old) =>
      old.key === key ? { ...old, loading: true } : { key, data: undefined, error: undefined, loading: true },
    );
    start();
    return () => running.current?.abort();
  }, [key, start]);

  const patch = useCallback((change: (data: T) => T) => {
    setState((old) => (old.data === undefined ? old : { ...old, data: change(old.data) }));
  }, []);
  const current = state.key === key;
  return {
    data: current ? state.data : undefined,
    error: current ? state.error : undefined,
    loading: !current || state.loading,
    reload: start,
    patch,
  };
}
