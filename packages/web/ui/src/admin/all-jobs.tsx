import { useEffect, useState } from "preact/hooks";
import { request } from "../api.ts";
import { ActionButton } from "../jobs/action-button.tsx";
import { goTo, place, withQuery } from "../router.ts";
import { Problem } from "../shell/problem.tsx";
import { canCancel, StateBadge, stateWords } from "../shell/state-badge.tsx";
import { Time } from "../sizes-and-times.tsx";
import type { AnybodysJob } from "./admin-types.ts";
import { usePolled } from "./use-polled.ts";

const STATES = [
  "new",
  "waiting",
  "queued",
  "running",
  "resubmitted",
  "paused",
  "ok",
  "error",
  "deleting",
  "deleted",
];
const TEXTS = [
  { name: "handler", words: "Handler or tag" },
  { name: "tool_id", words: "Tool" },
  { name: "user_email", words: "User" },
] as const;

/** Jobs of all users, newest first; what narrows them is in the address. */
export function AllJobs() {
  const query = place.value.query;
  const asked = new URLSearchParams({ limit: "50" });
  for (const name of ["state", ...TEXTS.map((text) => text.name)]) {
    const value = query.get(name);
    if (value) asked.set(name, value);
  }
  const key = asked.toString();
  const jobs = usePolled(key, (signal) => request<AnybodysJob[]>(`/api/admin/jobs?${key}`, { signal }));
  const cancel = async (id: string) => {
    const body = { message: "Job was cancelled by an administrator." };
    await request(`/api/jobs/${id}`, { method: "DELETE", body });
    jobs.reload();
  };
  return (
    <section aria-labelledby="all-jobs-title">
      <div class="card-head">
        <h2 id="all-jobs-title">Jobs of all users</h2>
        <div class="filters">
          <label>
            State
            <select
              class="small"
              value={query.get("state") ?? ""}
              onChange={(event) => goTo(withQuery({ state: event.currentTarget.value }), { replace: true })}
            >
              <option value="">any</option>
              {STATES.map((state) => (
                <option key={state} value={state}>
                  {stateWords(state)}
                </option>
              ))}
            </select>
          </label>
          {TEXTS.map(({ name, words }) => (
            <TextFilter key={name} name={name} words={words} value={query.get(name) ?? ""} />
          ))}
        </div>
      </div>
      {jobs.error ? <Problem error={jobs.error} retry={jobs.reload} /> : null}
      {!jobs.data && jobs.loading ? <p class="quiet">Loading…</p> : null}
      {jobs.data?.length === 0 ? <p class="empty">No job fits.</p> : null}
      {jobs.data && jobs.data.length > 0 ? <Table jobs={jobs.data} cancel={cancel} /> : null}
    </section>
  );
}

function TextFilter({ name, words, value }: { name: string; words: string; value: string }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const apply = () => {
    if (typed.trim() !== value) goTo(withQuery({ [name]: typed.trim() }), { replace: true });
  };
  return (
    <label>
      {words}
      <input
        type="search"
        class="small"
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onChange={apply}
        onKeyDown={(event) => {
          if (event.key === "Enter") apply();
        }}
      />
    </label>
  );
}

function Table({ jobs, cancel }: { jobs: readonly AnybodysJob[]; cancel(id: string): Promise<void> }) {
  return (
    <table class="jobs-table">
      <caption class="visually-hidden">Jobs of all users, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Tool</th>
          <th scope="col">State</th>
          <th scope="col">Handler</th>
          <th scope="col">User</th>
          <th scope="col">Created</th>
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
            <td>{job.handler ?? <span class="quiet">–</span>}</td>
            <td class="user">{job.user_email ?? <span class="quiet">–</span>}</td>
            <td>
              <Time at={job.create_time} />
            </td>
            <td class="actions">
              {canCancel(job.state) ? (
                <ActionButton
                  small
                  icon="cancel"
                  words="Cancel"
                  of={`${job.tool_id} ${job.id.slice(-6)}`}
                  act={() => cancel(job.id)}
                />
              ) : null}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
