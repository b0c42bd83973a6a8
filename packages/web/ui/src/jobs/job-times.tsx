import { useEffect, useState } from "preact/hooks";
import type { FullJob, StateEntry } from "../api-types.ts";
import { hasEnded, StateBadge } from "../shell/state-badge.tsx";
import { durationText, parseTime, Time } from "../sizes-and-times.tsx";

/** Exit code, how long it waited and ran (ticking while it does), and every state it went through. */
export function JobTimes({ job }: { job: FullJob }) {
  const ended = hasEnded(job.state);
  const now = useNow(!ended);
  const history = historyOf(job);
  const started =
    timeOf(job.start_time) ?? timeOf(history.findLast((entry) => entry.state === "running")?.create_time);
  const end =
    timeOf(job.end_time) ??
    (ended ? (timeOf(history.at(-1)?.create_time) ?? timeOf(job.update_time)) : undefined);
  const created = parseTime(job.create_time).getTime();
  return (
    <section class="card times">
      <h2 class="visually-hidden">Times</h2>
      <dl class="facts-row">
        <div>
          <dt>Exit code</dt>
          <dd data-fact="exit-code">{job.exit_code ?? "–"}</dd>
        </div>
        <div>
          <dt>{started === undefined && !ended ? "Waiting for" : "Waited for"}</dt>
          <dd>{durationText((started ?? end ?? now) - created)}</dd>
        </div>
        <div>
          <dt>{ended ? "Ran for" : "Running for"}</dt>
          <dd>{started === undefined ? "–" : durationText((end ?? now) - started)}</dd>
        </div>
        <div>
          <dt>Created</dt>
          <dd>
            <Time at={job.create_time} />
          </dd>
        </div>
      </dl>
      <ol class="timeline" aria-label="States of this job">
        {history.map((entry, index) => (
          <li key={`${entry.state} ${entry.create_time} ${index}`}>
            <StateBadge state={entry.state} past={index < history.length - 1} />
            <span class="quiet">
              <Time at={entry.create_time} withDate={false} />
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function historyOf(job: FullJob): readonly StateEntry[] {
  if (job.state_history && job.state_history.length > 0) return job.state_history;
  const entries: StateEntry[] = [{ state: "new", create_time: job.create_time }];
  if (job.start_time) entries.push({ state: "running", create_time: job.start_time });
  if (job.state !== "new" && job.state !== entries.at(-1)?.state)
    entries.push({ state: job.state, create_time: job.end_time ?? job.update_time });
  return entries;
}

function timeOf(text: string | null | undefined): number | undefined {
  return text ? parseTime(text).getTime() : undefined;
}

/** The time, each second while `ticking`. */
function useNow(ticking: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!ticking) return;
    let timer = 0;
    const tick = () => {
      setNow(Date.now());
      timer = window.setTimeout(tick, 1000);
    };
    timer = window.setTimeout(tick, 1000);
    return () => window.clearTimeout(timer);
  }, [ticking]);
  return now;
}
