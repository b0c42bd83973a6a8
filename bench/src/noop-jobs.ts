import type { Instance } from "./instance.ts";

/** The body of a run of the tool `noop`. */
export const noop = JSON.stringify({ tool_id: "noop", inputs: {} });

/** Creates a job that is over at once. */
export async function submit({ address }: Instance): Promise<void> {
  const response = await fetch(`${address}/api/tools`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: noop,
    signal: AbortSignal.timeout(60_000),
  });
  if (!response.ok) throw new Error(`POST /api/tools: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}

/** Jobs in the state ok, by the metrics of the instance. */
export async function jobsEnded({ address }: Instance): Promise<number> {
  const response = await fetch(`${address}/metrics`, { signal: AbortSignal.timeout(60_000) });
  return Number(/^galaxy_jobs\{state="ok"\} (\d+)/m.exec(await response.text())?.[1] ?? 0);
}
