import { useEffect, useState } from "preact/hooks";
import type { Dataset, ToolSummary } from "../api-types.ts";
import { useLive } from "../live-events.ts";
import { goTo } from "../router.ts";
import { Icon } from "../shell/icon.tsx";
import { Problem } from "../shell/problem.tsx";
import { StateBadge } from "../shell/state-badge.tsx";
import { sizeText, Time } from "../sizes-and-times.tsx";
import { loadTools } from "../tool-list.tsx";
import { useLoad } from "../use-load.ts";
import { displayUrl, loadDatasets } from "./dataset-list.ts";
import { Peek } from "./peek.tsx";

export function DatasetsPage() {
  const datasets = useLoad<Dataset[]>("datasets", loadDatasets);
  const tools = useLoad("tools", loadTools);
  useLive(datasets.reload);
  useEffect(() => {
    document.title = "Datasets · galaxy-jobs";
  }, []);
  const shown = datasets.data?.filter((dataset) => !dataset.deleted);
  return (
    <div class="page">
      <div class="page-head">
        <h1 data-page-title tabIndex={-1}>
          Datasets
        </h1>
        <a class="button" href="/upload">
          <Icon name="upload" /> Add data
        </a>
      </div>
      {datasets.error ? <Problem error={datasets.error} retry={datasets.reload} /> : null}
      {!datasets.data && datasets.loading ? <p class="quiet">Loading…</p> : null}
      {shown?.length === 0 ? (
        <p class="empty">
          Nothing here yet. <a href="/upload">Upload a file or paste text</a>; the results of your jobs appear
          here too.
        </p>
      ) : null}
      <ul class="datasets">
        {shown?.map((dataset) => (
          <DatasetRow key={dataset.id} dataset={dataset} tools={tools.data ?? []} />
        ))}
      </ul>
    </div>
  );
}

function DatasetRow({ dataset, tools }: { dataset: Dataset; tools: readonly ToolSummary[] }) {
  const [open, setOpen] = useState(false);
  const ready = dataset.state === "ok" || dataset.state === "empty";
  return (
    <li class="card dataset">
      <div class="dataset-head">
        <span class="dataset-name">
          {dataset.hid === undefined ? null : <span class="hid">{dataset.hid}</span>}
          {dataset.name}
        </span>
        <StateBadge state={dataset.state} />
        <span class="quiet facts">
          {dataset.extension ?? dataset.file_ext}
          {dataset.file_size === undefined || dataset.file_size === null
            ? ""
            : ` · ${sizeText(dataset.file_size)}`}
          {dataset.create_time ? (
            <>
              {" · "}
              <Time at={dataset.create_time} />
            </>
          ) : null}
        </span>
      </div>
      <div class="actions">
        {ready ? (
          <a
            class="button small"
            href={`${displayUrl(dataset.id)}?to_ext=${encodeURIComponent(dataset.extension ?? "data")}`}
            download
          >
            <Icon name="download" /> Download<span class="visually-hidden"> {dataset.name}</span>
          </a>
        ) : null}
        {ready ? (
          <button type="button" class="button small" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Hide" : "Look inside"}
            <span class="visually-hidden"> {dataset.name}</span>
          </button>
        ) : null}
        <label class="visually-hidden" for={`use-${dataset.id}`}>
          Use {dataset.name} in a tool
        </label>
        <select
          id={`use-${dataset.id}`}
          class="small"
          value=""
          onChange={(event) => {
            if (event.currentTarget.value !== "")
              goTo(`/tools/${encodeURIComponent(event.currentTarget.value)}?dataset=${dataset.id}`);
          }}
        >
          <option value="">Use in a tool…</option>
          {tools
            .filter((tool) => !tool.hidden)
            .map((tool) => (
              <option key={tool.id} value={tool.id}>
                {tool.name}
              </option>
            ))}
        </select>
      </div>
      {dataset.misc_info && dataset.state === "error" ? (
        <p class="field-problem">{dataset.misc_info}</p>
      ) : null}
      {open ? <Peek id={dataset.id} peek={undefined} /> : null}
    </li>
  );
}
