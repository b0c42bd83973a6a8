import { useEffect } from "preact/hooks";
import { goTo, place, withQuery } from "../router.ts";
import { Problem } from "../shell/problem.tsx";
import { stateWords } from "../shell/state-badge.tsx";
import { loadTools } from "../tool-list.tsx";
import { useLoad } from "../use-load.ts";
import { useJobs } from "./job-list.ts";
import { JobTable } from "./job-table.tsx";

const PAGE = 50;
const STATES = ["new", "queued", "running", "ok", "error", "paused", "deleted", "stopped"];

/** The jobs, narrowed by state and tool; what is chosen is in the address, so that it can be kept and shared. */
export function JobsPage() {
  const query = place.value.query;
  const state = query.get("state") ?? "";
  const tool = query.get("tool_id") ?? "";
  const offset = Math.max(0, Number.parseInt(query.get("offset") ?? "0", 10) || 0);
  const asked = new URLSearchParams({
    order_by: "create_time",
    limit: String(PAGE + 1),
    offset: String(offset),
  });
  if (state !== "") asked.set("state", state);
  if (tool !== "") asked.set("tool_id", tool);
  const jobs = useJobs(asked.toString());
  const tools = useLoad("tools", loadTools);
  useEffect(() => {
    document.title = "Jobs · galaxy-jobs";
  }, []);
  const filter = (changes: Record<string, string>) =>
    goTo(withQuery({ ...changes, offset: "" }), { replace: true });
  const known = tools.data?.map((each) => each.id) ?? [];
  const toolIds = tool === "" || known.includes(tool) ? known : [...known, tool];
  const filtered = state !== "" || tool !== "";
  return (
    <div class="page">
      <div class="page-head">
        <h1 data-page-title tabIndex={-1}>
          Jobs
        </h1>
        <div class="filters">
          <label>
            State
            <select
              class="small"
              value={state}
              onChange={(event) => filter({ state: event.currentTarget.value })}
            >
              <option value="">any</option>
              {STATES.map((each) => (
                <option key={each} value={each}>
                  {stateWords(each)}
                </option>
              ))}
            </select>
          </label>
          <label>
            Tool
            <select
              class="small"
              value={tool}
              onChange={(event) => filter({ tool_id: event.currentTarget.value })}
            >
              <option value="">any</option>
              {toolIds.map((each) => (
                <option key={each} value={each}>
                  {each}
                </option>
              ))}
            </select>
          </label>
        </div>
      </div>
      {jobs.error ? <Problem error={jobs.error} retry={jobs.reload} /> : null}
      {!jobs.data && jobs.loading ? <p class="quiet">Loading…</p> : null}
      {jobs.data?.length === 0 ? (
        <p class="empty">
          {filtered ? (
            <>
              No job fits. <a href="/jobs">Show all jobs</a>
            </>
          ) : (
            <>
              No jobs yet. <a href="/">Choose a tool</a> to run the first.
            </>
          )}
        </p>
      ) : null}
      {jobs.data && jobs.data.length > 0 ? <JobTable jobs={jobs.data.slice(0, PAGE)} /> : null}
      <nav class="pager" aria-label="Pages of jobs">
        {offset > 0 ? (
          <a href={withQuery({ offset: offset > PAGE ? String(offset - PAGE) : "" })}>← Newer</a>
        ) : null}
        {jobs.data && jobs.data.length > PAGE ? (
          <a href={withQuery({ offset: String(offset + PAGE) })}>Older →</a>
        ) : null}
      </nav>
    </div>
  );
}
