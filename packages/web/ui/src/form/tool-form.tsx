import { useEffect, useRef, useState } from "preact/hooks";
import type { Dataset, Job, Tool } from "../api-types.ts";
import { ApiError, request, wordsOf } from "../api.ts";
import { loadDatasets } from "../data/dataset-list.ts";
import { tellChanged, useLive } from "../live-events.ts";
import { goTo, place } from "../router.ts";
import { Icon } from "../shell/icon.tsx";
import { Problem } from "../shell/problem.tsx";
import { useLoad } from "../use-load.ts";
import { readFieldErrors, type FieldErrors } from "./field-errors.ts";
import type { Form } from "./form.ts";
import { initialValues, payloadOf, setIn, type Values } from "./form-values.ts";
import { FormProblems } from "./form-problems.tsx";
import { Inputs } from "./inputs.tsx";
import { ToolAbout } from "./tool-about.tsx";

interface Prepared {
  readonly tool: Tool;
  readonly given: Values | undefined;
}

/** The form of one tool; `?rerun=JOB` fills it with the values of an earlier run, `?dataset=ID` with that dataset. */
export function ToolForm({ id }: { id: string }) {
  const rerun = place.value.query.get("rerun") ?? "";
  const prepared = useLoad(`${id} ${rerun}`, (signal) => prepare(id, rerun, signal));
  if (prepared.error && !prepared.data)
    return <Problem title="The form cannot be shown." error={prepared.error} retry={prepared.reload} />;
  if (!prepared.data) return <p class="quiet">Loading the form…</p>;
  return <FilledForm key={`${id} ${rerun}`} {...prepared.data} rerun={rerun} />;
}

async function prepare(id: string, rerun: string, signal: AbortSignal): Promise<Prepared> {
  const [tool, earlier] = await Promise.all([
    request<Tool>(`/api/tools/${encodeURIComponent(id)}?io_details=true`, { signal }),
    rerun === ""
      ? undefined
      : request<{ state_inputs?: Values | string }>(
          `/api/jobs/${encodeURIComponent(rerun)}/build_for_rerun`,
          { signal },
        ),
  ]);
  const state = earlier?.state_inputs;
  return { tool, given: typeof state === "string" ? (JSON.parse(state) as Values) : state };
}

function FilledForm({ tool, given, rerun }: Prepared & { rerun: string }) {
  const datasets = useLoad<Dataset[]>("datasets", loadDatasets);
  useLive(datasets.reload);
  const [values, setValues] = useState(() => withDataset(tool, initialValues(tool.inputs, given)));
  const [errors, setErrors] = useState<FieldErrors>(new Map());
  const [failure, setFailure] = useState<{ words: string; count: number }>({ words: "", count: 0 });
  const [busy, setBusy] = useState(false);
  const [started, setStarted] = useState<Job | undefined>(undefined);
  const summary = useRef<HTMLDivElement>(null);
  useEffect(() => {
    document.title = `${tool.name} · galaxy-jobs`;
  }, [tool.name]);
  useEffect(() => {
    if (failure.count > 0) summary.current?.focus();
  }, [failure.count]);

  const form: Form = {
    errors,
    datasets: datasets.data,
    change: (path, value) => setValues((old) => setIn(old, path, value)),
    datasetsChanged: datasets.reload,
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setStarted(undefined);
    try {
      const body = {
        tool_id: tool.id,
        tool_version: tool.version,
        inputs: payloadOf(tool.inputs, values),
        input_format: "21.01",
      };
      const answer = await request<{ jobs: Job[] }>("/api/tools", { method: "POST", body });
      setErrors(new Map());
      setFailure({ words: "", count: 0 });
      tellChanged();
      const job = answer.jobs[0];
      if (rerun !== "" && job) goTo(`/jobs/${job.id}`);
      else setStarted(job);
    } catch (error) {
      setErrors(readFieldErrors(error instanceof ApiError ? error.data : undefined));
      setFailure((old) => ({ words: wordsOf(error), count: old.count + 1 }));
    } finally {
      setBusy(false);
    }
  };
  return (
    <article class="tool">
      <header class="tool-head">
        <h1 data-page-title tabIndex={-1}>
          {tool.name}
        </h1>
        {tool.version ? <span class="quiet">version {tool.version}</span> : null}
        {tool.description ? <p>{tool.description}</p> : null}
        {rerun === "" ? null : (
          <p class="note">
            Filled with the values of <a href={`/jobs/${rerun}`}>an earlier job</a>.
          </p>
        )}
      </header>
      <form class="card tool-form" noValidate onSubmit={(event) => void submit(event)} aria-label={tool.name}>
        {failure.words === "" ? null : (
          <FormProblems summary={summary} words={failure.words} errors={errors} inputs={tool.inputs} />
        )}
        {datasets.error && !datasets.data ? (
          <Problem title="Your data cannot be listed." error={datasets.error} retry={datasets.reload} />
        ) : null}
        <Inputs inputs={tool.inputs} path={[]} values={values} form={form} />
        {tool.inputs.length === 0 ? <p class="quiet">This tool has no settings.</p> : null}
        <div class="form-end">
          <button type="submit" class="button primary" disabled={busy}>
            <Icon name="play" /> {busy ? "Submitting…" : "Run"}
          </button>
          <p role="status" class="started">
            {started ? (
              <>
                Submitted. <a href={`/jobs/${started.id}`}>Follow the job</a>
              </>
            ) : null}
          </p>
        </div>
      </form>
      <ToolAbout tool={tool} />
    </article>
  );
}

/** "Use in a tool" names a dataset: it goes to the first data input. */
function withDataset(tool: Tool, values: Values): Values {
  const id = place.value.query.get("dataset");
  const input = id ? tool.inputs.find((each) => each.type === "data") : undefined;
  return input ? { ...values, [input.name]: input.multiple ? [id] : id } : values;
}
