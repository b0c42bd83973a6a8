import type { Job } from "../api-types.ts";
import { request } from "../api.ts";
import { useLive } from "../live-events.ts";
import { useLoad, type Loaded } from "../use-load.ts";

/** A list of jobs that follows the live events: states change at once, the order and new jobs by asking again. */
export function useJobs(query: string): Loaded<Job[]> {
  const jobs = useLoad(query, (signal) => request<Job[]>(`/api/jobs?${query}`, { signal }));
  useLive((events) => {
    for (const event of events) {
      const { id, state } = event;
      if (id && state) jobs.patch((list) => list.map((job) => (job.id === id ? { ...job, state } : job)));
    }
    jobs.reload();
  });
  return jobs;
}
