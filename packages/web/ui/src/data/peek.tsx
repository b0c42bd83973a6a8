import { displayUrl } from "./dataset-list.ts";
import { ApiError } from "../api.ts";
import { Problem } from "../shell/problem.tsx";
import { useLoad } from "../use-load.ts";

const BYTES = 4000;

/** The first lines of a dataset, as text. */
export function Peek({ id, peek }: { id: string; peek: string | null | undefined }) {
  const start = useLoad(`peek ${id}`, async (signal) => (peek ? peek : firstBytes(id, signal)));
  if (start.error) return <Problem error={start.error} retry={start.reload} />;
  if (start.data === undefined) return <p class="quiet">Loading…</p>;
  return <pre class="peek">{start.data === "" ? "(empty)" : start.data}</pre>;
}

async function firstBytes(id: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(displayUrl(id), { headers: { range: `bytes=0-${BYTES - 1}` }, signal });
  if (response.status === 416) return "";
  if (!response.ok) throw new ApiError("The data cannot be read.", response.status);
  const bytes = new Uint8Array(await response.arrayBuffer()).subarray(0, BYTES);
  const text = new TextDecoder().decode(bytes);
  return text.includes("\0") ? "(not text)" : text;
}
