import type { Dataset } from "../api-types.ts";
import { request } from "../api.ts";

/** The user's latest datasets, newest first. */
export function loadDatasets(signal: AbortSignal): Promise<Dataset[]> {
  return request<Dataset[]>("/api/datasets?order=create_time-dsc&limit=200", { signal });
}

export function displayUrl(id: string): string {
  return `/api/datasets/${encodeURIComponent(id)}/display`;
}
