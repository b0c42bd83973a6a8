const SIZES = ["B", "kB", "MB", "GB", "TB"];

/** 1536 → "1.5 kB" (decimal units, as file managers show them). */
export function sizeText(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return "";
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < SIZES.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${SIZES[unit]}`;
}

/** 75_000 ms → "1 min 15 s". */
export function durationText(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Galaxy's times are UTC and often come without the Z. */
export function parseTime(text: string): Date {
  return new Date(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
}

/** A time in the reader's locale; the whole ISO time is in the title. */
export function Time({ at, withDate = true }: { at: string | null | undefined; withDate?: boolean }) {
  if (!at) return null;
  const date = parseTime(at);
  if (Number.isNaN(date.getTime())) return <span>{at}</span>;
  const today = new Date().toDateString() === date.toDateString();
  const time = date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const words =
    today || !withDate
      ? time
      : `${date.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, ${time}`;
  return (
    <time dateTime={date.toISOString()} title={date.toISOString()}>
      {words}
    </time>
  );
}
