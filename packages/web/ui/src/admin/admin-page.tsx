import { useEffect } from "preact/hooks";
import { request } from "../api.ts";
import { user } from "../session.ts";
import type { Pool } from "./admin-types.ts";
import { AllJobs } from "./all-jobs.tsx";
import { HandlerList } from "./handler-list.tsx";
import { JobLock } from "./job-lock.tsx";
import { PoolList } from "./pool-list.tsx";
import { MaintenanceRuns, OperatorActions } from "./records.tsx";
import { usePolled } from "./use-polled.ts";

/** What administrators see and do: handlers, pools, the job lock, everybody's jobs, and the records. */
export function AdminPage() {
  useEffect(() => {
    document.title = "Administration · galaxy-jobs";
  }, []);
  return (
    <div class="page admin">
      <h1 data-page-title tabIndex={-1}>
        Administration
      </h1>
      {user.value?.is_admin === true ? <Sections /> : <p>This page is for administrators.</p>}
    </div>
  );
}

function Sections() {
  const pools = usePolled("pools", (signal) => request<Pool[]>("/api/pools", { signal }));
  return (
    <>
      <HandlerList pools={pools.data ?? []} />
      <div class="two">
        <PoolList pools={pools} />
        <JobLock />
      </div>
      <AllJobs />
      <div class="two">
        <MaintenanceRuns />
        <OperatorActions />
      </div>
    </>
  );
}
