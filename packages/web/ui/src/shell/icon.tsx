const PATHS = {
  back: "M15 5l-7 7 7 7",
  upload: "M12 16V4m0 0L7 9m5-5l5 5M4 16v4h16v-4",
  download: "M12 4v12m0 0l-5-5m5 5l5-5M4 20h16",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  again: "M20 12a8 8 0 1 1-2.5-5.8M20 3v4h-4",
  cancel: "M6 6l12 12M18 6L6 18",
  add: "M12 5v14M5 12h14",
  play: "M7 4l13 8-13 8z",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2m0 16v2M2 12h2m16 0h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3.5 2",
  pause: "M9 6v12M15 6v12",
  stop: "M7 7h10v10H7z",
  warning: "M12 4l9 16H3zM12 10v4m0 3v.1",
  running: "M12 3a9 9 0 1 1-9 9",
  dot: "M12 10.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z",
} as const;

export type IconName = keyof typeof PATHS;

/** A line icon that only decorates: words stand beside it, or its button has a label. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
