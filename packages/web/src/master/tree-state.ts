import { readFileSync } from "node:fs";
import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import type { ChildHandle } from "./child-handle.ts";
import type { ConnectionQueue } from "./connection-queue.ts";
import type { BoundSocket } from "./listening-sockets.ts";
import type { MuleFarms } from "./mule-farms.ts";
import type { Place } from "./place.ts";

/** The process tree of a web tier at one moment, as its master sees it: plain data, for statistics and `galaxyctl`. */
export interface TreeState {
  readonly serverName: string;
  /** Release of the code that the master runs. */
  readonly release: string;
  /** Folder that the configuration calls Galaxy's root. */
  readonly directory: string;
  readonly masterPid: number;
  /** ms since 1970. */
  readonly startedAt: number;
  /** Bytes. */
  readonly masterRss: number;
  /** How often the tree was reloaded. */
  readonly reloads: number;
  readonly phase: "starting" | "running" | "reloading" | "stopping";
  /** What went wrong in the last reload; undefined when it went well. */
  readonly reloadFailure?: string;
  readonly sockets: readonly SocketState[];
  readonly workers: readonly WorkerState[];
  readonly mules: readonly MuleState[];
  readonly farms: readonly FarmState[];
}

export interface SocketState {
  /** The listener's id. */
  readonly id: string;
  readonly protocol: string;
  /** As bound: the port is the real one where the configuration has 0. */
  readonly address: string;
  /** Longest queue of the kernel (the option `listen`). */
  readonly backlog: number;
  /** Connections that wait in the master for a worker. */
  readonly queue: number;
  /** Connections accepted so far. */
  readonly accepted: number;
}

export type ChildStatus = "starting" | "idle" | "busy" | "draining" | "dead";

export interface ChildState {
  /** From 1; of a worker as in its server name, of a mule as in the farms' numbers. */
  readonly id: number;
  readonly serverName: string;
  /** undefined between the end of one process and the start of the next. */
  readonly pid: number | undefined;
  readonly status: ChildStatus;
  /** How often a process was started in this place. */
  readonly respawns: number;
  /** When the present process started, ms since 1970. */
  readonly startedAt: number;
  /** When it last told its status, ms since 1970; undefined: not yet. */
  readonly statusAt?: number;
  /** Bytes. */
  readonly rss: number;
}

export interface WorkerState extends ChildState {
  /** Requests answered by the present process. */
  readonly requests: number;
  /** Mean time of the recent requests, µs. */
  readonly avgRtUs: number;
  /** Requests under way. */
  readonly busy: number;
  /** Since when the oldest of them is under way, ms since 1970. */
  readonly oldestActiveSince?: number;
  /** Open connections. */
  readonly open: number;
  /** Bytes sent to clients. */
  readonly txBytes: number;
  readonly harakiris: number;
  /** Answers with a status of 500 or more. */
  readonly exceptions: number;
  /** Time spent on all requests, µs. */
  readonly runningUs: number;
}

export interface MuleState extends ChildState {
  readonly farm: string;
}

export interface FarmState {
  readonly name: string;
  /** Numbers of its mules. */
  readonly mules: readonly number[];
  /** Messages that no mule has taken yet. */
  readonly waiting: number;
}

/** What a master knows. */
export interface TreeFacts {
  readonly config: GalaxyConfig;
  readonly release: string;
  readonly startedAt: number;
  readonly reloads: number;
  readonly phase: TreeState["phase"];
  readonly reloadFailure: string | undefined;
  readonly sockets: readonly BoundSocket[];
  readonly queue: ConnectionQueue;
  readonly workers: readonly Place[];
  readonly mules: readonly Place[];
  readonly farms: MuleFarms;
}

export function snapshot(facts: TreeFacts): TreeState {
  const { config, reloadFailure } = facts;
  return {
    serverName: config.serverName,
    release: facts.release,
    directory: config.rootDirectory,
    masterPid: process.pid,
    startedAt: facts.startedAt,
    masterRss: process.memoryUsage.rss(),
    reloads: facts.reloads,
    phase: facts.phase,
    ...(reloadFailure === undefined ? {} : { reloadFailure }),
    sockets: facts.sockets.map(({ spec, shown, accepted }) => ({
      id: spec.id,
      protocol: spec.protocol,
      address: shown,
      backlog: config.web.tree.backlog,
      queue: facts.queue.waitingAt(spec.id),
      accepted,
    })),
    workers: facts.workers.map(workerState),
    mules: facts.mules.map((place) => ({ ...childState(place), farm: place.farm ?? "" })),
    farms: config.web.tree.farms.map(({ name, mules }) => ({
      name,
      mules,
      waiting: facts.farms.waiting(name),
    })),
  };
}

function workerState(place: Place): WorkerState {
  const status = place.current?.status;
  return {
    ...childState(place),
    requests: status?.requests ?? 0,
    avgRtUs: status?.avgRtUs ?? 0,
    busy: status?.busy ?? 0,
    ...(status?.oldestActiveSince === undefined ? {} : { oldestActiveSince: status.oldestActiveSince }),
    open: status?.open ?? 0,
    txBytes: status?.txBytes ?? 0,
    harakiris: place.harakiris,
    exceptions: status?.exceptions ?? 0,
    runningUs: status?.runningUs ?? 0,
  };
}

function childState(place: Place): ChildState {
  const child = place.current ?? [...place.retiring][0];
  return {
    id: place.number,
    serverName: place.serverName,
    pid: child?.pid,
    status: statusOf(child),
    respawns: place.respawns,
    startedAt: child?.startedAt ?? 0,
    ...(child?.statusAt === undefined ? {} : { statusAt: child.statusAt }),
    rss: child?.status?.rss ?? (child?.pid === undefined ? 0 : rssOf(child.pid)),
  };
}

function statusOf(child: ChildHandle | undefined): ChildStatus {
  if (child === undefined || child.end !== undefined) return "dead";
  if (child.isRetiring) return "draining";
  if (!child.isReady) return "starting";
  return (child.status?.busy ?? 0) > 0 ? "busy" : "idle";
}

/** Of a child that tells no status of its own, where the system says it. */
function rssOf(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
