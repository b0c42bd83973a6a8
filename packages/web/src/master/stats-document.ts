import { readFileSync } from "node:fs";
import type {
  ChildState,
  ChildStatus,
  MuleState,
  SocketState,
  TreeState,
  WorkerState,
} from "./tree-state.ts";

/**
 * The tree in the fields of uWSGI's stats server, which `uwsgitop` and monitoring agents read: times in µs, sizes in bytes,
 * `last_spawn` in seconds since 1970. `mules`, `farms` and `galaxy` are ours; readers of uWSGI's pass over them.
 */
export function statsDocument(state: TreeState): object {
  const longest = Math.max(0, ...state.sockets.map(({ queue }) => queue));
  return {
    version: state.release,
    listen_queue: longest,
    listen_queue_errors: 0,
    signal_queue: 0,
    load: longest,
    pid: state.masterPid,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    cwd: process.cwd(),
    // This tier has no locks between its processes.
    locks: [],
    sockets: state.sockets.map(socketEntry),
    workers: state.workers.map(workerEntry),
    mules: state.mules.map(muleEntry),
    farms: state.farms.map(({ name, mules, waiting }) => ({ name, mules, waiting })),
    galaxy: {
      server_name: state.serverName,
      directory: state.directory,
      phase: state.phase,
      started: Math.floor(state.startedAt / 1000),
      reloads: state.reloads,
      ...(state.reloadFailure === undefined ? {} : { reload_failure: state.reloadFailure }),
      rss: state.masterRss,
    },
  };
}

function socketEntry({ address, protocol, queue, backlog, accepted }: SocketState): object {
  return { name: address, proto: protocol, queue, max_queue: backlog, shared: 0, can_offload: 0, accepted };
}

function workerEntry(worker: WorkerState): object {
  const inRequest = worker.busy > 0 ? 1 : 0;
  return {
    ...childEntry(worker),
    accepting: worker.status === "idle" || worker.status === "busy" ? 1 : 0,
    requests: worker.requests,
    // uWSGI counts these since the last start of the worker, and so is `requests` counted here.
    delta_requests: worker.requests,
    exceptions: worker.exceptions,
    harakiri_count: worker.harakiris,
    running_time: Math.round(worker.runningUs),
    tx: worker.txBytes,
    avg_rt: Math.round(worker.avgRtUs),
    apps: [],
    // One event loop: many requests at once, one core.
    cores: [
      {
        id: 0,
        requests: worker.requests,
        static_requests: 0,
        routed_requests: 0,
        offloaded_requests: 0,
        write_errors: 0,
        read_errors: 0,
        in_request: inRequest,
        vars: [],
      },
    ],
    busy: worker.busy,
    open: worker.open,
    ...(worker.oldestActiveSince === undefined ? {} : { oldest_active: worker.oldestActiveSince / 1000 }),
  };
}

function muleEntry(mule: MuleState): object {
  return { ...childEntry(mule), farm: mule.farm };
}

function childEntry(child: ChildState): object {
  return {
    id: child.id,
    pid: child.pid ?? 0,
    signals: 0,
    signal_queue: 0,
    status: statusWords[child.status],
    rss: child.rss,
    vsz: virtualSize(child.pid),
    last_spawn: Math.floor(child.startedAt / 1000),
    respawn_count: child.respawns,
    server_name: child.serverName,
  };
}

/** uWSGI's words: a cheap worker is one that does not run. */
const statusWords: Readonly<Record<ChildStatus, string>> = {
  starting: "cheap",
  idle: "idle",
  busy: "busy",
  draining: "pause",
  dead: "cheap",
};

/** @returns bytes; 0 where the system does not tell */
function virtualSize(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    const kilobytes = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
