import { useEffect } from "preact/hooks";
import { ToolForm } from "./form/tool-form.tsx";
import { JobPanel } from "./jobs/job-panel.tsx";
import { ToolList } from "./tool-list.tsx";
import { ErrorBoundary } from "./shell/error-boundary.tsx";
import { Icon } from "./shell/icon.tsx";

/** The three regions: tools, the chosen tool's form (or how to begin), the latest jobs. */
export function Workspace({ toolId }: { toolId: string | undefined }) {
  useEffect(() => {
    if (!toolId) document.title = "galaxy-jobs";
  }, [toolId]);
  return (
    <div class={toolId ? "workspace with-tool" : "workspace"}>
      <section class="region tools" aria-label="Tools">
        <ToolList chosen={toolId} />
      </section>
      <section class="region centre" aria-label={toolId ? "Tool" : "Start"}>
        {toolId && (
          <a class="back-link phone-only" href="/">
            <Icon name="back" /> All tools
          </a>
        )}
        <ErrorBoundary key={toolId ?? ""}>{toolId ? <ToolForm id={toolId} /> : <Start />}</ErrorBoundary>
      </section>
      <section class="region jobs" aria-label="Latest jobs">
        <JobPanel />
      </section>
    </div>
  );
}

function Start() {
  return (
    <div class="start">
      <h1 data-page-title tabIndex={-1}>
        Run a tool
      </h1>
      <ol class="steps">
        <li>
          <strong>Bring your data.</strong> <a href="/upload">Upload a file or paste text</a>. Tools that need
          no data can skip this.
        </li>
        <li>
          <strong>Choose a tool</strong> from the list and fill in its form.
        </li>
        <li>
          <strong>Watch it run.</strong> The job appears under “Latest jobs”; its page shows the output as it
          grows, and the results to download.
        </li>
      </ol>
      <p>
        <a class="button primary" href="/upload">
          <Icon name="upload" /> Add data
        </a>
      </p>
    </div>
  );
}
