import type { Job } from "../api-types.ts";
import { canCancel, StateBadge } from "../shell/state-badge.tsx";
import { Icon } from "../shell/icon.tsx";
import { Time } from "../sizes-and-times.tsx";
import { ActionButton } from "./action-button.tsx";
import { canRerun, cancelJob, rerunUrl } from "./job-actions.ts";

export function JobTable({ jobs }: { jobs: readonly Job[] }) {
  return (
    <table class="jobs-table">
      <caption class="visually-hidden">Jobs, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Tool</th>
          <th scope="col">State</th>
          <th scope="col">Created</th>
          <th scope="col">Exit code</th>
          <th scope="col">
            <span class="visually-hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {jobs.map((job) => (
          <tr key={job.id}>
            <th scope="row">
              <a href={`/jobs/${job.id}`}>{job.tool_id}</a>
              <span class="quiet job-id">{job.id.slice(-6)}</span>
            </th>
            <td>
              <StateBadge state={job.state} />
            </td>
            <td>
              <Time at={job.create_time} />
            </td>
            <td class="numeric" data-label="exit code">
              {job.exit_code ?? <span class="quiet">–</span>}
            </td>
            <td class="actions">
              {canCancel(job.state) ? (
                <ActionButton
                  small
                  icon="cancel"
                  words="Cancel"
                  of={`${job.tool_id} ${job.id.slice(-6)}`}
                  act={() => cancelJob(job.id)}
                />
              ) : null}
              {canRerun(job) ? (
                <a class="button small" href={rerunUrl(job)}>
                  <Icon name="again" /> Run again
                  <span class="visually-hidden">
                    {" "}
                    {job.tool_id} {job.id.slice(-6)}
                  </span>
                </a>
              ) : null}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
