import { useState } from "preact/hooks";
import type { ToolSummary } from "./api-types.ts";
import { request } from "./api.ts";
import { Problem } from "./shell/problem.tsx";
import { useLoad } from "./use-load.ts";

export function loadTools(signal: AbortSignal): Promise<ToolSummary[]> {
  return request<ToolSummary[]>("/api/tools?in_panel=false", { signal });
}

/** The tools by section, narrowed by what is typed; Enter opens the only or first match. */
export function ToolList({ chosen }: { chosen: string | undefined }) {
  const tools = useLoad("tools", loadTools);
  const [filter, setFilter] = useState("");
  const shown = (tools.data ?? []).filter((tool) => !tool.hidden && matches(tool, filter));
  const sections = bySection(shown);
  return (
    <>
      <h2 class="region-title">Tools</h2>
      <form
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          event.currentTarget.closest("section")?.querySelector<HTMLAnchorElement>(".tool-link")?.click();
        }}
      >
        <label class="visually-hidden" for="tool-filter">
          Filter the tools
        </label>
        <input
          id="tool-filter"
          type="search"
          class="filter"
          placeholder="Filter tools…"
          autocomplete="off"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") setFilter("");
          }}
        />
      </form>
      <p class="visually-hidden" role="status">
        {filter === "" ? "" : `${shown.length} tools`}
      </p>
      {tools.error && !tools.data ? <Problem error={tools.error} retry={tools.reload} /> : null}
      {tools.loading && !tools.data ? <p class="quiet">Loading the tools…</p> : null}
      {tools.data && shown.length === 0 ? (
        <p class="quiet">{filter === "" ? "No tools are installed here." : `No tool matches “${filter}”.`}</p>
      ) : null}
      {sections.map(([name, members]) => (
        <div key={name} class="tool-section">
          {sections.length > 1 ? <h3>{name === "" ? "Other tools" : name}</h3> : null}
          <ul class="tool-links">
            {members.map((tool) => (
              <li key={tool.id}>
                <a
                  class="tool-link"
                  href={`/tools/${encodeURIComponent(tool.id)}`}
                  aria-current={tool.id === chosen ? "page" : undefined}
                >
                  <span class="tool-name">{tool.name}</span>
                  {tool.description ? <span class="tool-description">{tool.description}</span> : null}
                </a>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </>
  );
}

function matches(tool: ToolSummary, filter: string): boolean {
  const text =
    `${tool.name} ${tool.id} ${tool.description ?? ""} ${tool.panel_section_name ?? ""}`.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function bySection(tools: readonly ToolSummary[]): [string, ToolSummary[]][] {
  const sections = new Map<string, ToolSummary[]>();
  for (const tool of tools) {
    const name = tool.panel_section_name ?? "";
    const members = sections.get(name);
    if (members) members.push(tool);
    else sections.set(name, [tool]);
  }
  return [...sections];
}
