import type { Citation, Tool } from "../api-types.ts";
import { request } from "../api.ts";
import { useLoad } from "../use-load.ts";

/** Help and citations, as the plain text that their author wrote. */
export function ToolAbout({ tool }: { tool: Tool }) {
  const help = typeof tool.help === "string" ? tool.help : (tool.help?.content ?? "");
  const cited = tool.citations === true || (Array.isArray(tool.citations) && tool.citations.length > 0);
  if (help.trim() === "" && !cited) return null;
  return (
    <section class="about">
      {help.trim() === "" ? null : (
        <>
          <h2>Help</h2>
          <pre class="help">{help.trim()}</pre>
        </>
      )}
      {cited ? <Citations tool={tool} /> : null}
    </section>
  );
}

function Citations({ tool }: { tool: Tool }) {
  const list = useLoad(`citations ${tool.id}`, async (signal) =>
    Array.isArray(tool.citations)
      ? (tool.citations as readonly (Citation | string)[])
      : request<(Citation | string)[]>(`/api/tools/${encodeURIComponent(tool.id)}/citations`, { signal }),
  );
  if (!list.data) return null;
  return (
    <>
      <h2>Citations</h2>
      <ul class="citations">
        {list.data.map((each, index) => (
          <li key={index}>{citationText(each)}</li>
        ))}
      </ul>
    </>
  );
}

function citationText(citation: Citation | string) {
  if (typeof citation === "string") return citation;
  const text = citation.content ?? "";
  if (citation.type !== "doi") return <pre class="help">{text}</pre>;
  return (
    <a href={`https://doi.org/${encodeURI(text)}`} target="_blank" rel="noreferrer">
      doi:{text}
    </a>
  );
}
