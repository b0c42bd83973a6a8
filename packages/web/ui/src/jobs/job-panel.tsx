import { Problem } from "../shell/problem.tsx";
import { StateBadge } from "../shell/state-badge.tsx";
import { Time } from "../sizes-and-times.tsx";
import { useJobs } from "./job-list.ts";

const SHOWN = 12;

/** The latest jobs beside the form. */
export function JobPanel() {
  const jobs = useJobs(`order_by=create_time&limit=${SHOWN}`);
  return (
    <>
      <h2 class="region-title">
        Latest jobs <a href="/jobs">All jobs</a>
      </h2>
      {jobs.error ? <Problem error={jobs.error} retry={jobs.reload} /> : null}
      {!jobs.data && jobs.loading ? <p class="quiet">Loading…</p> : null}
      {jobs.data?.length === 0 ? (
        <p class="empty">No jobs yet. Choose a tool and run it: the job appears here.</p>
      ) : null}
      <ul class="job-list">
        {jobs.data?.map((job) => (
          <li key={job.id}>
            <a href={`/jobs/${job.id}`} class="job-card">
              <span class="job-tool">{job.tool_id}</span>
              <StateBadge state={job.state} />
              <span class="quiet">
                <Time at={job.create_time} />
              </span>
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}
