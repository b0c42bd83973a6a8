import { request } from "../api.ts";
import { tellChanged } from "../live-events.ts";

/** Asks the server to stop a job. Throws ApiError. */
export async function cancelJob(id: string): Promise<void> {
  await request(`/api/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
  tellChanged();
}

export async function resumeJob(id: string): Promise<void> {
  await request(`/api/jobs/${encodeURIComponent(id)}/resume`, { method: "PUT" });
  tellChanged();
}

export function rerunUrl(job: { id: string; tool_id: string }): string {
  return `/tools/${encodeURIComponent(job.tool_id)}?rerun=${job.id}`;
}

/** Uploads are made by the page itself and have no form to fill again. */
export function canRerun(job: { tool_id: string }): boolean {
  return !/^(upload1|__DATA_FETCH__)$/.test(job.tool_id);
}
