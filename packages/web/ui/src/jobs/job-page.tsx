import { useEffect } from "preact/hooks";
import type { FullJob } from "../api-types.ts";
import { request } from "../api.ts";
import { useLive } from "../live-events.ts";
import { Icon } from "../shell/icon.tsx";
import { Problem } from "../shell/problem.tsx";
import { canCancel, hasEnded, StateBadge } from "../shell/state-badge.tsx";
import { useLoad } from "../use-load.ts";
import { ActionButton } from "./action-button.tsx";
import { canRerun, cancelJob, rerunUrl, resumeJob } from "./job-actions.ts";
import { JobFiles } from "./job-files.tsx";
import { JobStreams } from "./job-streams.tsx";
import { JobTimes } from "./job-times.tsx";
import { CommandLine } from "./command-line.tsx";
import { waits, WhyItWaits } from "./why-it-waits.tsx";

export function JobPage({ id }: { id: string }) {
  const loaded = useLoad(`job ${id}`, (signal) =>
    request<FullJob>(`/api/jobs/${encodeURIComponent(id)}?full=true`, { signal }),
  );
  useLive((events) => {
    if (events.length > 0 && events.every((event) => event.id !== undefined && event.id !== id)) return;
    const state = events.findLast((event) => event.id === id)?.state;
    if (state) loaded.patch((job) => ({ ...job, state }));
    loaded.reload();
  });
  const job = loaded.data;
  useEffect(() => {
    document.title = `${job ? `${job.tool_id}: ${job.state}` : "Job"} · galaxy-jobs`;
  }, [job?.tool_id, job?.state]);
  return (
    <div class="page job-page">
      <a class="back-link" href="/jobs">
        <Icon name="back" /> Jobs
      </a>
      {loaded.error ? <Problem error={loaded.error} retry={loaded.reload} /> : null}
      {job ? <Job job={job} /> : loaded.loading ? <p class="quiet">Loading…</p> : null}
    </div>
  );
}

function Job({ job }: { job: FullJob }) {
  return (
    <>
      <header class="job-head">
        <div class="job-title">
          <h1 data-page-title tabIndex={-1}>
            <a href={`/tools/${encodeURIComponent(job.tool_id)}`}>{job.tool_id}</a>
          </h1>
          <span role="status">
            <StateBadge state={job.state} />
          </span>
        </div>
        <div class="actions">
          {canCancel(job.state) ? (
            <ActionButton icon="cancel" words="Cancel" act={() => cancelJob(job.id)} />
          ) : null}
          {job.state === "paused" ? (
            <ActionButton icon="play" words="Resume" act={() => resumeJob(job.id)} />
          ) : null}
          {canRerun(job) ? (
            <a class="button" href={rerunUrl(job)}>
              <Icon name="again" /> Run again
            </a>
          ) : null}
        </div>
      </header>
      {waits(job.state) || job.state === "running" ? <WhyItWaits id={job.id} state={job.state} /> : null}
      <Messages job={job} />
      <JobTimes job={job} />
      <JobFiles job={job} />
      <CommandLine text={job.command_line ?? ""} />
      <JobStreams key={job.id} job={job} running={!hasEnded(job.state)} />
      <p class="quiet job-foot">
        Job {job.id}
        {job.tool_version ? ` · tool version ${job.tool_version}` : ""}
        {job.handler ? ` · handler ${job.handler}` : ""}
      </p>
    </>
  );
}

/** Why it failed, in the server's words; why it waits has a place of its own. */
function Messages({ job }: { job: FullJob }) {
  const messages = (job.job_messages ?? []).map((each) =>
    typeof each === "string" ? each : (each.desc ?? each.code_desc ?? each.type ?? ""),
  );
  if (job.info && !waits(job.state)) messages.unshift(job.info);
  const words = [...new Set(messages.filter((each) => each !== ""))];
  if (words.length === 0) return null;
  const bad = job.state === "error" || job.state === "failed";
  return (
    <div class={bad ? "problem" : "note"} role={bad ? "alert" : undefined}>
      {words.map((each) => (
        <p key={each}>{each}</p>
      ))}
    </div>
  );
}
