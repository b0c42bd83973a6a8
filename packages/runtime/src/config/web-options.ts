import net from "node:net";
import { shownValue } from "../faults.ts";
import type { TcpAddress } from "./listener-spec.ts";
import { flag, list, number, size, text, WrongValue } from "./option-kinds.ts";
import type { OptionKind } from "./option-kinds.ts";

/** Longest path of a unix socket that the kernel takes, bytes. */
const LONGEST_SOCKET_PATH = 107;

/** An address as it is written; a `path` may be relative, `shared` is the number of a shared-socket. */
export type WrittenAddress = TcpAddress | { readonly path: string } | { readonly shared: number };

/** An address with what may follow it after commas. */
export interface WrittenListener {
  readonly address: WrittenAddress;
  readonly certificate?: string;
  readonly key?: string;
}

export interface WrittenFarm {
  readonly name: string;
  /** Numbers of mules, from 1 in the order of the options. */
  readonly mules: readonly number[];
}

/** What a hook of the master does on a signal; undefined: some other hook. */
export interface SignalHook {
  readonly signal: NodeJS.Signals;
  readonly action: "gracefully_kill_them_all" | "kill_them_all";
}

/** uWSGI's `host:port`; `:port` is every address of the host, as in uWSGI. `[::1]:port` for IPv6. */
export const httpAddress: OptionKind<TcpAddress> = {
  read(raw) {
    const match =
      typeof raw === "string" ? /^(\[[0-9a-f:.]+\]|[^\s:[\]]*):(\d{1,5})$/i.exec(raw.trim()) : null;
    const port = Number(match?.[2]);
    if (match === null || port > 65_535) {
      throw new WrongValue(
        `expected an address, got ${shownValue(raw)}`,
        "write for example 127.0.0.1:8080 or :8080",
      );
    }
    const host = (match[1] ?? "").replaceAll(/[[\]]/g, "");
    if (host.includes(":") && !net.isIPv6(host)) throw new WrongValue(`${host} is not an IPv6 address`);
    return { host: host === "" || host === "*" ? "0.0.0.0" : host, port };
  },
};

/** A path of a unix socket (with a slash), an address, or `=N` for a shared-socket. */
export const socketAddress: OptionKind<WrittenAddress> = {
  read(raw) {
    const word = typeof raw === "string" ? raw.trim() : "";
    const shared = /^=(\d+)$/.exec(word);
    if (shared !== null) return { shared: Number(shared[1]) };
    if (!word.includes("/")) return httpAddress.read(raw);
    if (word.includes("\0")) throw new WrongValue("a path cannot hold a zero byte");
    return { path: word };
  },
};

/** `ADDRESS`, or `ADDRESS,certificate,key`. */
const listener: OptionKind<WrittenListener> = {
  read(raw) {
    if (typeof raw !== "string") return { address: socketAddress.read(raw) };
    const [address, certificate, key, ...more] = raw.split(",").map((part) => part.trim());
    if (more.length > 0 || (certificate !== undefined && (certificate === "" || !key))) {
      throw new WrongValue(
        `expected ADDRESS or ADDRESS,CERTIFICATE,KEY, got ${shownValue(raw)}`,
        "write for example :8443,server.crt,server.key",
      );
    }
    const read = { address: socketAddress.read(address) };
    return certificate === undefined || key === undefined ? read : { ...read, certificate, key };
  },
};

const farm: OptionKind<WrittenFarm> = {
  read(raw) {
    const match = typeof raw === "string" ? /^([^\s:]+):\s*(\d+(?:\s*,\s*\d+)*)$/.exec(raw.trim()) : null;
    if (match === null) {
      throw new WrongValue(
        `expected a farm, got ${shownValue(raw)}`,
        "write the name of a pool and the numbers of its mules, e.g. job-handlers:1,2",
      );
    }
    return { name: match[1]!, mules: match[2]!.split(",").map(Number) };
  },
};

/** `/static=folder`. */
const staticMap: OptionKind<{ readonly mount: string; readonly path: string }> = {
  read(raw) {
    const at = typeof raw === "string" ? raw.indexOf("=") : -1;
    const mount = at < 0 ? "" : (raw as string).slice(0, at).trim();
    const path = at < 0 ? "" : (raw as string).slice(at + 1).trim();
    if (!mount.startsWith("/") || path === "" || path.includes("\0"))
      throw new WrongValue(
        `expected /MOUNT=FOLDER, got ${shownValue(raw)}`,
        "write for example /static=static",
      );
    return { mount, path };
  },
};

/** Octal permission bits; alone, `chmod-socket` opens the socket to everybody, as in uWSGI. */
const permissions: OptionKind<number> = {
  read(raw) {
    if (raw === true || raw === "true") return 0o666;
    const digits = String(raw).trim();
    if (!/^0?o?[0-7]{3}$/.test(digits))
      throw new WrongValue(`expected octal permissions, got ${shownValue(raw)}`, "write for example 660");
    return Number.parseInt(digits.replace(/^0?o/, ""), 8);
  },
};

/** `owner`, `owner:group` or `:group`; names or numbers. */
const ownership: OptionKind<{ readonly owner?: string; readonly group?: string }> = {
  read(raw) {
    const match = /^([\w.-]*)(?::([\w.-]+))?$/.exec(text.read(raw).trim());
    if (match === null || (!match[1] && !match[2]))
      throw new WrongValue(`expected owner:group, got ${shownValue(raw)}`);
    return { ...(match[1] ? { owner: match[1] } : {}), ...(match[2] ? { group: match[2] } : {}) };
  },
};

const account: OptionKind<string> = {
  read(raw) {
    const name = text.read(raw).trim();
    if (!/^[\w.][\w.-]*\$?$/.test(name))
      throw new WrongValue(`expected the name or number of an account, got ${shownValue(raw)}`);
    return name;
  },
};

const hookSignals: Readonly<Record<string, NodeJS.Signals>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  10: "SIGUSR1",
  12: "SIGUSR2",
  15: "SIGTERM",
};

/** `unix_signal:15 gracefully_kill_them_all`; undefined for hooks that have nothing to do with signals. */
const hook: OptionKind<SignalHook | undefined> = {
  read(raw) {
    const written = text.read(raw).trim();
    if (!written.startsWith("unix_signal")) return undefined;
    const match = /^unix_signal:(\d+)\s+(\w+)$/.exec(written);
    const signal = hookSignals[match?.[1] ?? ""];
    const action = match?.[2];
    if (signal === undefined || (action !== "gracefully_kill_them_all" && action !== "kill_them_all")) {
      throw new WrongValue(
        `expected a signal and what it does, got ${shownValue(raw)}`,
        `write unix_signal:N gracefully_kill_them_all (or kill_them_all), where N is one of ${Object.keys(hookSignals).join(", ")}`,
      );
    }
    return { signal, action };
  },
};

/** `/path/pool.sock:ADDRESS[,ADDRESS…]`. */
const zergPool: OptionKind<{ readonly control: string; readonly addresses: readonly WrittenAddress[] }> = {
  read(raw) {
    const match = typeof raw === "string" ? /^([^:\s]*\/[^:\s]*)(?::(.+))?$/.exec(raw.trim()) : null;
    if (match === null)
      throw new WrongValue(
        `expected the pool's socket and its addresses, got ${shownValue(raw)}`,
        "write for example /run/galaxy/pool.sock:127.0.0.1:8080",
      );
    const addresses = match[2] === undefined ? [] : match[2].split(",");
    return { control: match[1]!, addresses: addresses.map((address) => socketAddress.read(address.trim())) };
  },
};

function repeated<T>(kind: OptionKind<T>): OptionKind<readonly T[]> & { readonly repeated: true } {
  return {
    repeated: true,
    read: (raw) => (Array.isArray(raw) ? raw : [raw]).map((item) => kind.read(item)),
  };
}

const seconds = number({ min: 0, max: 86_400, unit: "seconds" });
const path = text;

/** The options of the web tier that have an effect: the one table. Names are uWSGI's, with `-`. */
export const WEB_OPTIONS = {
  // Listening sockets
  http: repeated(listener),
  https: repeated(listener),
  "http-to-https": repeated(listener),
  "http-socket": repeated(socketAddress),
  "uwsgi-socket": repeated(socketAddress),
  "shared-socket": repeated(listener),
  "chmod-socket": permissions,
  "chown-socket": ownership,
  listen: number({ min: 1, max: 65_535, whole: true, unit: "connections" }),
  // Files
  "static-map": repeated(staticMap),
  /** uWSGI's static-index: files that stand for a folder. */
  "static-index": repeated(text),
  "offload-threads": number({ min: 0, max: 64, whole: true, unit: "threads" }),
  // Processes
  master: flag,
  processes: number({ min: 1, max: 256, whole: true, unit: "processes" }),
  mule: repeated({ read: (raw) => raw }),
  mules: number({ min: 0, max: 256, whole: true, unit: "mules" }),
  farm: repeated(farm),
  uid: account,
  gid: account,
  chdir: path,
  "zerg-pool": zergPool,
  "zerg-server": path,
  zerg: path,
  // Signals and patience
  "die-on-term": flag,
  "hook-master-start": repeated(hook),
  "reload-mercy": seconds,
  "worker-reload-mercy": seconds,
  "mule-reload-mercy": seconds,
  harakiri: seconds,
  "max-requests": number({ min: 0, whole: true, unit: "requests" }),
  // Logs, background, pid file, statistics
  logto: path,
  logto2: path,
  daemonize: path,
  daemonize2: path,
  pidfile: path,
  pidfile2: path,
  stats: socketAddress,
  // Limits
  /** Ours: addresses and networks whose X-Forwarded-… headers are believed. */
  "trusted-proxies": list,
  "buffer-size": number({ min: 1024, max: 65_535, whole: true, unit: "bytes" }),
  "max-upload-size": size,
  "max-body-size": size,
  "rate-limit": number({ min: 0, whole: true, unit: "requests a minute" }),
} satisfies Record<string, OptionKind<unknown>>;

export type WebOptionName = keyof typeof WEB_OPTIONS;
export type WebOptionValues = {
  -readonly [Name in WebOptionName]?: ReturnType<(typeof WEB_OPTIONS)[Name]["read"]>;
};

/** Other names of options. `socket` is HTTP in our section, and the protocol uwsgi in uWSGI's own. */
export const WEB_OPTION_ALIASES: Readonly<Record<"web" | "uwsgi", Readonly<Record<string, WebOptionName>>>> =
  {
    web: { socket: "http-socket", workers: "processes", "safe-pidfile": "pidfile" },
    uwsgi: { socket: "uwsgi-socket", workers: "processes", "safe-pidfile": "pidfile" },
  };

/** Why the path cannot be a unix socket's; undefined: it can. */
export function socketPathTooLong(path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  return bytes <= LONGEST_SOCKET_PATH
    ? undefined
    : `the path of the socket is ${bytes} bytes long, the system takes ${LONGEST_SOCKET_PATH}`;
}
