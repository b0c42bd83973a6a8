import Table from "cli-table3";
import { cell } from "../output.ts";
import type { StatsDocument, StatsWorker } from "./read-stats.ts";
import type { Snapshot } from "./snapshot.ts";

/** A snapshot as lines of text. @param before an earlier one, for rates */
export function draw(now: Snapshot, before: Snapshot | undefined): string[] {
  const lines = [title(now), ""];
  if (now.web === undefined)
    lines.push("web: no stats socket; set the option stats of the web tier, or give --stats ADDRESS");
  else if ("error" in now.web) lines.push(`web: ${cell(now.web.error)}`);
  else lines.push(...drawWeb(now.web, now.time, before));
  lines.push("", ...drawHandlers(now));
  const waiting = now.pools.filter(({ jobsWaiting }) => jobsWaiting > 0);
  for (const { tag, jobsWaiting, handlers } of waiting)
    lines.push(
      `pool ${cell(tag)}: ${jobsWaiting} waiting, ${handlers.length === 0 ? "no live handler" : `${handlers.length} handlers`}`,
    );
  return lines;
}

function title({ time, jobs }: Snapshot): string {
  const counts = jobs.map(({ state, count }) => `${count} ${state}`).join(", ");
  return `galaxy-jobs  ${time.toISOString().slice(0, 19).replace("T", " ")} UTC  jobs: ${counts || "none"}`;
}

function drawWeb(web: StatsDocument, time: Date, before: Snapshot | undefined): string[] {
  const requests = sum(web.workers, ({ requests: count }) => count);
  const sent = sum(web.workers, ({ tx }) => tx);
  const phase = web.galaxy === undefined ? "" : `, ${web.galaxy.phase}`;
  const header = `web: pid ${web.pid}${phase}, ${requests} requests, ${size(sent)} sent, queue ${web.load}`;
  const workers = tableOf(
    ["worker", "pid", "status", "req", "req/s", "avg ms", "5xx", "killed", "respawns", "rss", "sent"],
    web.workers.map((worker) => [
      worker.id,
      worker.pid,
      worker.status,
      worker.requests,
      rate(worker, time, before),
      (worker.avg_rt / 1000).toFixed(1),
      worker.exceptions,
      worker.harakiri_count,
      worker.respawn_count,
      size(worker.rss),
      size(worker.tx),
    ]),
  );
  const mules = web.mules ?? [];
  if (mules.length === 0) return [header, ...workers];
  const muleTable = tableOf(
    ["mule", "pid", "status", "farm", "server name", "respawns", "rss"],
    mules.map((mule) => [
      mule.id,
      mule.pid,
      mule.status,
      mule.farm,
      mule.server_name,
      mule.respawn_count,
      size(mule.rss),
    ]),
  );
  return [header, ...workers, ...muleTable];
}

function drawHandlers({ handlers }: Snapshot): string[] {
  if (handlers.length === 0) return ["handlers: none is live"];
  return tableOf(
    ["handler", "host", "pid", "tags", "heartbeat", "claimed", "queued", "running"],
    handlers.map((handler) => [
      handler.serverName,
      handler.hostname,
      handler.pid,
      handler.tags.join(" "),
      handler.heartbeatAge === null ? "" : `${handler.heartbeatAge.toFixed(0)} s`,
      handler.jobsClaimed,
      handler.jobsQueued,
      handler.jobsRunning,
    ]),
  );
}

/** Requests a second since the last snapshot; nothing for a worker that is another process now. */
function rate(worker: StatsWorker, time: Date, before: Snapshot | undefined): string {
  if (before?.web === undefined || "error" in before.web) return "";
  const then = before.web.workers.find(({ id, pid }) => id === worker.id && pid === worker.pid);
  const seconds = (time.getTime() - before.time.getTime()) / 1000;
  if (then === undefined || seconds <= 0) return "";
  return ((worker.requests - then.requests) / seconds).toFixed(1);
}

function tableOf(head: readonly string[], rows: readonly (readonly unknown[])[]): string[] {
  const table = new Table({
    head: [...head],
    chars: bare,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
  });
  for (const row of rows) table.push(row.map((value) => cell(value)));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
}

const places =
  "top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid middle";
const bare = Object.fromEntries(places.split(" ").map((place) => [place, ""]));

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

/** Bytes as people read them. */
function size(bytes: number): string {
  const units = ["B", "K", "M", "G", "T"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)}${units[unit]}`;
}
