import { useState } from "preact/hooks";
import { request } from "../api.ts";
import { announcement } from "../live-events.ts";
import { durationText } from "../sizes-and-times.tsx";
import { useLoad } from "../use-load.ts";
import { handlerUrl, poolName, type Handler, type HandlerWithJobs, type Pool } from "./admin-types.ts";
import { Confirm } from "./confirm.tsx";

interface Props {
  readonly handler: Handler;
  readonly handlers: readonly Handler[];
  readonly pools: readonly Pool[];
  close(): void;
}

export function DrainHandler({ handler, close }: Props) {
  const { server_name: name, jobs } = handler;
  const drain = async () => {
    await request(`${handlerUrl(name)}/drain`, { method: "PUT" });
    announcement.value = `${name} takes nothing new`;
  };
  return (
    <Confirm title={`Drain ${name}?`} words="Drain" act={drain} close={close}>
      <p>It takes nothing new until somebody resumes it, also when it is restarted.</p>
      <ul class="numbers">
        <li>{counted(jobs.claimed, "job")} that it has claimed and not started go back to their pools.</li>
        <li>{counted(jobs.running + jobs.queued, "job")} under way end there.</li>
        {jobs.assigned > 0 ? (
          <li>{counted(jobs.assigned, "job")} assigned to its name wait, or can be reassigned.</li>
        ) : null}
      </ul>
      <Remaining name={name} />
    </Confirm>
  );
}

export function ReassignJobs({ handler, handlers, pools, close }: Props) {
  const { server_name: name, jobs } = handler;
  const targets = [
    ...pools
      .filter((pool) => pool.tag !== null && pool.handlers.length > pool.drained.length)
      .map((pool) => ({ value: `pool ${poolName(pool.tag)}`, words: `pool ${poolName(pool.tag)}` })),
    ...handlers
      .filter((other) => other.live && !other.drained && other.server_name !== name)
      .map((other) => ({ value: `handler ${other.server_name}`, words: `handler ${other.server_name}` })),
  ];
  const [to, setTo] = useState(targets[0]?.value ?? "");
  const [started, setStarted] = useState(false);
  const reassign = async () => {
    const [kind = "", ...rest] = to.split(" ");
    const target = { [kind === "pool" ? "to_pool" : "to"]: rest.join(" ") };
    const done = await request<{ moved: number; offered: number; to: string }>(
      `${handlerUrl(name)}/reassign`,
      {
        method: "POST",
        body: { ...target, started },
      },
    );
    announcement.value = `${counted(done.moved + done.offered, "job")} reassigned to ${done.to}`;
  };
  const underWay = jobs.running + jobs.queued;
  if (targets.length === 0)
    return (
      <Confirm
        title={`Reassign the jobs of ${name}`}
        words="Close"
        act={() => Promise.resolve()}
        close={close}
      >
        <p>No other handler is live and takes jobs. Start one first.</p>
      </Confirm>
    );
  return (
    <Confirm title={`Reassign the jobs of ${name}`} words="Reassign" act={reassign} close={close}>
      <label class="field">
        To
        <select value={to} onChange={(event) => setTo(event.currentTarget.value)}>
          {targets.map(({ value, words }) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <ul class="numbers">
        <li>{counted(jobs.assigned + jobs.claimed, "job")} not started move at once.</li>
        <li>
          {counted(underWay, "job")} under way {started ? "are handed over while they run." : "stay."}
        </li>
      </ul>
      <label class="check">
        <input
          type="checkbox"
          checked={started}
          onChange={(event) => setStarted(event.currentTarget.checked)}
        />
        Also hand over jobs under way
      </label>
    </Confirm>
  );
}

export function RemoveHandler({ handler, close }: Props) {
  const { server_name: name, jobs } = handler;
  const remove = async () => {
    await request(handlerUrl(name), { method: "DELETE" });
    announcement.value = `${name} is removed`;
  };
  const inHand = jobs.claimed + jobs.queued + jobs.running + jobs.ending;
  return (
    <Confirm title={`Remove ${name}?`} words="Remove" act={remove} close={close}>
      <p>It is forgotten, with its drain. This needs its process to have ended and its jobs to be done.</p>
      <ul class="numbers">
        <li>{counted(inHand, "job")} in hand.</li>
        <li>{counted(jobs.assigned, "job")} assigned to its name.</li>
      </ul>
    </Confirm>
  );
}

/** How long what is under way usually takes. */
function Remaining({ name }: { name: string }) {
  const found = useLoad(`remaining ${name}`, (signal) =>
    request<HandlerWithJobs>(handlerUrl(name), { signal }),
  );
  const estimate = found.data?.estimate;
  if (estimate === undefined || estimate.empty_in === 0) return null;
  const usual =
    estimate.empty_in === null
      ? "Nothing is known of how long they take."
      : `Usually empty in ${durationText(estimate.empty_in * 1000)}${estimate.unknown > 0 ? `; ${counted(estimate.unknown, "job")} of unknown length` : ""}.`;
  return <p class="quiet">{usual}</p>;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
