import { useEffect, useRef } from "preact/hooks";
import { connectLive, disconnectLive } from "./live-events.ts";
import { place } from "./router.ts";
import { signInNeeded, user } from "./session.ts";
import { ErrorBoundary } from "./shell/error-boundary.tsx";
import { Header } from "./shell/header.tsx";
import { Problem } from "./shell/problem.tsx";
import { SignIn } from "./shell/sign-in.tsx";
import { AdminPage } from "./admin/admin-page.tsx";
import { DatasetsPage } from "./data/datasets-page.tsx";
import { UploadPage } from "./data/upload-page.tsx";
import { JobPage } from "./jobs/job-page.tsx";
import { JobsPage } from "./jobs/jobs-page.tsx";
import { Announcer } from "./shell/announcer.tsx";
import { useLoad } from "./use-load.ts";
import { findUser } from "./who-am-i.ts";
import { Workspace } from "./workspace.tsx";

export function App() {
  const who = useLoad("who", findUser);
  const ready = user.value !== undefined && !signInNeeded.value;
  useEffect(() => {
    if (!ready) return;
    connectLive();
    return disconnectLive;
  }, [ready]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Header />
      <Announcer />
      {signInNeeded.value ? (
        <main id="main">
          <SignIn />
        </main>
      ) : user.value ? (
        <Page />
      ) : (
        <main id="main">
          {who.error ? <Problem error={who.error} retry={who.reload} /> : <p class="quiet">Loading…</p>}
        </main>
      )}
    </>
  );
}

function Page() {
  const path = place.value.path;
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    // After a link was followed the reader (and the screen reader) starts at the new page's heading.
    if (first.current) first.current = false;
    else
      (main.current?.querySelector<HTMLElement>("[data-page-title]") ?? main.current)?.focus({
        preventScroll: true,
      });
  }, [path]);
  return (
    <main id="main" ref={main} tabIndex={-1}>
      <ErrorBoundary key={path}>{routed(path)}</ErrorBoundary>
    </main>
  );
}

function routed(path: string) {
  const [, first = "", second, ...rest] = path.split("/");
  const id = second === undefined || second === "" ? undefined : decodeURIComponent(second);
  if (rest.length === 0) {
    if (first === "") return <Workspace toolId={undefined} />;
    if (first === "tools" && id) return <Workspace toolId={id} />;
    if (first === "upload" && !id) return <UploadPage />;
    if (first === "jobs") return id ? <JobPage id={id} /> : <JobsPage />;
    if (first === "datasets" && !id) return <DatasetsPage />;
    if (first === "admin" && !id) return <AdminPage />;
  }
  return (
    <div class="page narrow">
      <h1 data-page-title tabIndex={-1}>
        Not found
      </h1>
      <p>There is no page at {path}.</p>
      <p>
        <a href="/">Go to the tools</a>
      </p>
    </div>
  );
}
