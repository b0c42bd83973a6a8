import { request } from "../api.ts";
import { Icon } from "../shell/icon.tsx";
import { Problem } from "../shell/problem.tsx";
import { durationText, parseTime, Time } from "../sizes-and-times.tsx";
import type { MaintenanceRun, OperatorAction } from "./admin-types.ts";
import { usePolled } from "./use-polled.ts";

const ROWS = 10;

/** The last runs of maintenance. */
export function MaintenanceRuns() {
  const runs = usePolled("maintenance", (signal) =>
    request<MaintenanceRun[]>(`/api/admin/maintenance_runs?limit=${ROWS}`, { signal }),
  );
  return (
    <section class="card" aria-labelledby="maintenance-title">
      <h2 id="maintenance-title">Maintenance</h2>
      {runs.error ? <Problem error={runs.error} retry={runs.reload} /> : null}
      {runs.data?.length === 0 ? <p class="quiet">No task has run yet.</p> : null}
      <ul class="lines">
        {runs.data?.map((run) => (
          <li key={`${run.task} ${run.start_time}`}>
            <span>
              <strong>{run.task}</strong> <Outcome run={run} />
            </span>
            <span class="quiet">
              <Time at={run.start_time} /> by {run.server_name}
              {run.end_time === null ? "" : `, took ${took(run)}`}
              {countsOf(run.counts)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Outcome({ run }: { run: MaintenanceRun }) {
  if (run.outcome === "done") return null;
  const bad = run.outcome !== null;
  return (
    <span class={`badge tone-${bad ? "bad" : "busy"}`} title={run.error ?? ""}>
      <Icon name={bad ? "warning" : "running"} />
      {run.outcome ?? "under way"}
    </span>
  );
}

function took(run: MaintenanceRun): string {
  return durationText(parseTime(run.end_time!).getTime() - parseTime(run.start_time).getTime());
}

function countsOf(counts: Readonly<Record<string, number>>): string {
  const words = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name.replaceAll(/([A-Z])/g, " $1").toLowerCase()}`);
  return words.length === 0 ? "" : ` · ${words.join(", ")}`;
}

/** What administrators did. */
export function OperatorActions() {
  const actions = usePolled("actions", (signal) =>
    request<OperatorAction[]>(`/api/admin/actions?limit=${ROWS}`, { signal }),
  );
  return (
    <section class="card" aria-labelledby="actions-title">
      <h2 id="actions-title">What was done</h2>
      {actions.error ? <Problem error={actions.error} retry={actions.reload} /> : null}
      {actions.data?.length === 0 ? <p class="quiet">Nothing yet.</p> : null}
      <ul class="lines">
        {actions.data?.map((action) => (
          <li key={`${action.create_time} ${action.action}`}>
            <span>
              <strong>{action.action}</strong>{" "}
              {action.job_id === null ? (
                (action.server_name ?? "")
              ) : (
                <a href={`/jobs/${action.job_id}`}>job {action.job_id.slice(-6)}</a>
              )}
            </span>
            <span class="quiet">
              <Time at={action.create_time} /> by {action.actor}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
