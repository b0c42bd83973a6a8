import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { FullJob } from "../api-types.ts";
import { request } from "../api.ts";

interface ConsoleOutput {
  readonly state: string;
  readonly stdout?: string | null;
  readonly stderr?: string | null;
}

const POLL_MS = 1000;
const CHUNK = 50_000;
/** More than this is not kept in the page; the whole is at the link. */
const KEPT = 400_000;

/** Standard output and error: asked for each second while the job runs, then as the job keeps them. */
export function JobStreams({ job, running }: { job: FullJob; running: boolean }) {
  const streams = useGrowing(job.id, running);
  const stdout = running ? streams.stdout : (job.tool_stdout ?? job.stdout ?? streams.stdout);
  const stderr = running ? streams.stderr : (job.tool_stderr ?? job.stderr ?? streams.stderr);
  if (!running && stdout === "" && stderr === "")
    return <p class="quiet">The job wrote nothing to its standard output or error.</p>;
  return (
    <div class="streams">
      <Stream title="Standard output" name="stdout" text={stdout} jobId={job.id} running={running} />
      <Stream title="Standard error" name="stderr" text={stderr} jobId={job.id} running={running} />
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
      {text.length >= KEPT ? <p class="quiet">The last part is shown; the whole is at the link.</p> : null}
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

/** Follows both streams by position (in bytes) as long as `running`. */
function useGrowing(id: string, running: boolean): { stdout: string; stderr: string } {
  const [text, setText] = useState({ stdout: "", stderr: "" });
  useEffect(() => {
    if (!running) return;
    const controller = new AbortController();
    const position = { stdout: 0, stderr: 0 };
    let timer = 0;
    const ask = async () => {
      const query = `stdout_position=${position.stdout}&stdout_length=${CHUNK}&stderr_position=${position.stderr}&stderr_length=${CHUNK}`;
      let more = false;
      try {
        const part = await request<ConsoleOutput>(
          `/api/jobs/${encodeURIComponent(id)}/console_output?${query}`,
          { signal: controller.signal },
        );
        const stdout = part.stdout ?? "";
        const stderr = part.stderr ?? "";
        const bytes = { stdout: byteLength(stdout), stderr: byteLength(stderr) };
        position.stdout += bytes.stdout;
        position.stderr += bytes.stderr;
        more = bytes.stdout > CHUNK / 2 || bytes.stderr > CHUNK / 2;
        if (stdout !== "" || stderr !== "")
          setText((old) => ({
            stdout: (old.stdout + stdout).slice(-KEPT),
            stderr: (old.stderr + stderr).slice(-KEPT),
          }));
      } catch {
        // A job that has not started has no streams yet, and a lost answer is asked for again.
      }
      if (!controller.signal.aborted) timer = window.setTimeout(() => void ask(), more ? 0 : POLL_MS);
    };
    setText({ stdout: "", stderr: "" });
    void ask();
    return () => {
      controller.abort();
      window.clearTimeout(timer);
    };
  }, [id, running]);
  return text;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
