import { useState } from "preact/hooks";
import { request } from "../api.ts";
import { ActionButton } from "../jobs/action-button.tsx";
import { Icon, type IconName } from "../shell/icon.tsx";
import { Problem } from "../shell/problem.tsx";
import { durationText, Time } from "../sizes-and-times.tsx";
import { handlerUrl, poolName, type Handler, type Pool } from "./admin-types.ts";
import { DrainHandler, ReassignJobs, RemoveHandler } from "./handler-dialogs.tsx";
import { usePolled } from "./use-polled.ts";

type Asked = { readonly what: "drain" | "reassign" | "remove"; readonly handler: Handler };

/** The handlers, each with what it has in hand and what can be done about it. */
export function HandlerList({ pools }: { pools: readonly Pool[] }) {
  const [all, setAll] = useState(false);
  const [asked, setAsked] = useState<Asked>();
  const handlers = usePolled(`handlers ${all}`, (signal) =>
    request<Handler[]>(`/api/handlers${all ? "?all=true" : ""}`, { signal }),
  );
  // The numbers that it shows are those of now.
  const present = handlers.data?.find(({ server_name: name }) => name === asked?.handler.server_name);
  const done = () => {
    setAsked(undefined);
    handlers.reload();
  };
  const dialogs = { drain: DrainHandler, reassign: ReassignJobs, remove: RemoveHandler };
  const Dialog = asked === undefined ? undefined : dialogs[asked.what];
  return (
    <section aria-labelledby="handlers-title">
      <div class="card-head">
        <h2 id="handlers-title">Handlers</h2>
        <label class="check">
          <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
          Also those that have ended
        </label>
      </div>
      {handlers.error ? <Problem error={handlers.error} retry={handlers.reload} /> : null}
      {!handlers.data && handlers.loading ? <p class="quiet">Loading…</p> : null}
      {handlers.data?.length === 0 ? (
        <p class="empty">No handler is live: jobs wait until one is started.</p>
      ) : null}
      <ul class="handlers">
        {handlers.data?.map((handler) => (
          <HandlerCard
            key={handler.server_name}
            handler={handler}
            ask={(what) => setAsked({ what, handler })}
            changed={handlers.reload}
          />
        ))}
      </ul>
      {asked && Dialog ? (
        <Dialog
          handler={present ?? asked.handler}
          handlers={handlers.data ?? []}
          pools={pools}
          close={done}
        />
      ) : null}
    </section>
  );
}

function HandlerCard({
  handler,
  ask,
  changed,
}: {
  handler: Handler;
  ask(what: Asked["what"]): void;
  changed(): void;
}) {
  const { server_name: name, jobs, drained } = handler;
  const resume = async () => {
    await request(`${handlerUrl(name)}/resume`, { method: "PUT" });
    changed();
  };
  return (
    <li class="card handler" data-handler={name}>
      <div class="card-head">
        <h3>{name}</h3>
        <Status handler={handler} />
      </div>
      <dl class="facts-row">
        <Fact name="Pools">
          {handler.tags.length === 0 ? "–" : handler.tags.map((tag) => poolName(tag)).join(", ")}
        </Fact>
        <Fact name="Running">{jobs.running}</Fact>
        <Fact name="Queued">{jobs.queued}</Fact>
        <Fact name="Claimed">{jobs.claimed}</Fact>
        <Fact name="Assigned">{jobs.assigned}</Fact>
        {jobs.ending > 0 ? <Fact name="Ending">{jobs.ending}</Fact> : null}
        {handler.pid === null ? null : (
          <Fact name="Process">
            {handler.pid} on {handler.hostname}
          </Fact>
        )}
        {handler.live && handler.heartbeat_age !== null ? (
          <Fact name="Heartbeat">{durationText(handler.heartbeat_age * 1000)} ago</Fact>
        ) : null}
        {handler.version === null ? null : <Fact name="Version">{handler.version}</Fact>}
      </dl>
      {drained ? (
        <p class="quiet">
          Drained since <Time at={drained.since} /> by {drained.by}
        </p>
      ) : null}
      <div class="actions">
        {drained ? (
          <ActionButton small icon="play" words="Resume" of={name} act={resume} />
        ) : (
          <DialogButton icon="pause" words="Drain" of={name} open={() => ask("drain")} />
        )}
        <DialogButton icon="again" words="Reassign" of={name} open={() => ask("reassign")} />
        {!handler.live ? (
          <DialogButton icon="cancel" words="Remove" of={name} open={() => ask("remove")} />
        ) : null}
        <a class="button small" href={`/admin?handler=${encodeURIComponent(name)}`}>
          Jobs<span class="visually-hidden"> of {name}</span>
        </a>
      </div>
    </li>
  );
}

function DialogButton(props: { icon: IconName; words: string; of: string; open(): void }) {
  return (
    <button type="button" class="button small" aria-haspopup="dialog" onClick={props.open}>
      <Icon name={props.icon} /> {props.words}
      <span class="visually-hidden"> {props.of}</span>
    </button>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Status({ handler }: { handler: Handler }) {
  const look = lookOf(handler);
  return (
    <span class={`badge tone-${look.tone}`} data-status={look.words}>
      <Icon name={look.icon} />
      {look.words}
      {handler.end_reason ? ` (${handler.end_reason})` : ""}
    </span>
  );
}

function lookOf(handler: Handler): { words: string; icon: IconName; tone: string } {
  if (handler.live && handler.drained) return { words: "drained", icon: "pause", tone: "held" };
  if (handler.live) return { words: "live", icon: "check", tone: "good" };
  if (handler.end_time !== null) return { words: "ended", icon: "stop", tone: "idle" };
  if (handler.pid === null) return { words: "never seen", icon: "dot", tone: "idle" };
  return { words: "does not answer", icon: "warning", tone: "bad" };
}
