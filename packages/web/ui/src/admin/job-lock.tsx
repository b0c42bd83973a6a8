import { request } from "../api.ts";
import { ActionButton } from "../jobs/action-button.tsx";
import { Icon } from "../shell/icon.tsx";
import { Problem } from "../shell/problem.tsx";
import { usePolled } from "./use-polled.ts";

/** The lock that keeps every handler from starting jobs. */
export function JobLock() {
  const lock = usePolled("lock", (signal) => request<{ active: boolean }>("/api/job_lock", { signal }));
  const active = lock.data?.active === true;
  const turn = async () => {
    await request("/api/job_lock", { method: "PUT", body: { active: !active } });
    lock.reload();
  };
  return (
    <section class="card" aria-labelledby="lock-title">
      <div class="card-head">
        <h2 id="lock-title">Job lock</h2>
        {lock.data ? (
          <span class={`badge tone-${active ? "held" : "good"}`} data-lock={active ? "on" : "off"}>
            <Icon name={active ? "pause" : "check"} />
            {active ? "no job starts" : "jobs start"}
          </span>
        ) : null}
      </div>
      {lock.error ? <Problem error={lock.error} retry={lock.reload} /> : null}
      <p class="quiet">
        {active
          ? "Jobs can be submitted and wait; what runs goes on."
          : "Locking keeps all handlers from starting jobs; what runs goes on."}
      </p>
      {lock.data ? (
        <ActionButton
          small
          icon={active ? "play" : "pause"}
          words={active ? "Unlock" : "Lock the start of jobs"}
          act={turn}
        />
      ) : null}
    </section>
  );
}
