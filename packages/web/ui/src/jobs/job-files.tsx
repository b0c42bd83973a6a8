import type { Dataset, DatasetRef, FullJob } from "../api-types.ts";
import { request } from "../api.ts";
import { displayUrl } from "../data/dataset-list.ts";
import { Peek } from "../data/peek.tsx";
import { useLive } from "../live-events.ts";
import { Icon } from "../shell/icon.tsx";
import { Problem } from "../shell/problem.tsx";
import { StateBadge } from "../shell/state-badge.tsx";
import { sizeText } from "../sizes-and-times.tsx";
import { useLoad } from "../use-load.ts";

export function JobFiles({ job }: { job: FullJob }) {
  return (
    <div class="two">
      <Files title="Outputs" refs={job.outputs ?? {}} jobState={job.state} peek />
      <Files title="Inputs" refs={job.inputs ?? {}} jobState={job.state} peek={false} />
    </div>
  );
}

function Files({
  title,
  refs,
  jobState,
  peek,
}: {
  title: string;
  refs: Record<string, DatasetRef>;
  jobState: string;
  peek: boolean;
}) {
  const entries = Object.entries(refs).filter(([, ref]) => ref?.id);
  if (entries.length === 0) return null;
  return (
    <section class="card">
      <h2>{title}</h2>
      <ul class="files">
        {entries.map(([name, ref]) => (
          <File key={name} name={name} id={ref.id} jobState={jobState} peek={peek} />
        ))}
      </ul>
    </section>
  );
}

function File({ name, id, jobState, peek }: { name: string; id: string; jobState: string; peek: boolean }) {
  const dataset = useLoad(`${id} ${jobState}`, (signal) =>
    request<Dataset>(`/api/datasets/${encodeURIComponent(id)}`, { signal }),
  );
  useLive(dataset.reload);
  const data = dataset.data;
  if (dataset.error && !data) {
    return (
      <li>
        {name} <Problem error={dataset.error} retry={dataset.reload} />
      </li>
    );
  }
  const ready = data?.state === "ok" || data?.state === "empty";
  return (
    <li>
      <div class="file-head">
        <span class="dataset-name">{data?.name ?? name}</span>
        {data ? <StateBadge state={data.state} /> : null}
        <span class="quiet">
          {name}
          {data && ready ? ` · ${sizeText(data.file_size)}` : ""}
        </span>
        {data && (ready || data.state === "error") ? (
          <a
            class="button small"
            href={`${displayUrl(id)}?to_ext=${encodeURIComponent(data.extension ?? "data")}`}
            download
          >
            <Icon name="download" /> Download<span class="visually-hidden"> {data.name}</span>
          </a>
        ) : null}
      </div>
      {peek && data?.state === "ok" ? <Peek id={id} peek={undefined} /> : null}
    </li>
  );
}
