import { useLayoutEffect, useRef } from "preact/hooks";
import type { FullJob } from "../api-types.ts";
import { KEPT, useStreams } from "./follow-streams.ts";

/** Standard output and error: followed while the job runs and to their ends; of a job that had ended before, as it keeps them. */
export function JobStreams({ job, running }: { job: FullJob; running: boolean }) {
  const followed = useStreams(job.id, running);
  const stdout = followed?.stdout ?? job.tool_stdout ?? job.stdout ?? "";
  const stderr = followed?.stderr ?? job.tool_stderr ?? job.stderr ?? "";
  const complete = followed === undefined || followed.complete;
  if (!running && complete && stdout === "" && stderr === "")
    return <p class="quiet">The job wrote nothing to its standard output or error.</p>;
  return (
    <div class="streams">
      <Stream title="Standard output" name="stdout" text={stdout} jobId={job.id} running={!complete} />
      <Stream title="Standard error" name="stderr" text={stderr} jobId={job.id} running={!complete} />
    </div>
  );
}

function Stream(props: {
  title: string;
  name: "stdout" | "stderr";
  text: string;
  jobId: string;
  running: boolean;
}) {
  const { title, name, text, jobId, running } = props;
  const box = useRef<HTMLPreElement>(null);
  const following = useRef(true);
  useLayoutEffect(() => {
    if (running && following.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text, running]);
  if (text === "" && !running) return null;
  return (
    <section class="card">
      <div class="card-head">
        <h2>{title}</h2>
        <a href={`/api/jobs/${encodeURIComponent(jobId)}/${name}`} target="_blank" rel="noreferrer">
          As plain text
        </a>
      </div>
      {text.length >= KEPT ? <p class="quiet">The last part is shown.</p> : null}
      <pre
        class="stream"
        ref={box}
        tabIndex={0}
        aria-label={title}
        data-stream={name}
        onScroll={(event) => {
          const at = event.currentTarget;
          following.current = at.scrollHeight - at.scrollTop - at.clientHeight < 24;
        }}
      >
        {text === "" ? <span class="quiet">nothing yet</span> : text}
      </pre>
    </section>
  );
}
