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
