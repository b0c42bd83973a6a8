import { isIPv4 } from "node:net";
import type { ListenerProtocol, ListenerSpec } from "@galaxy-jobs/runtime";

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST = 3;

/** A listening socket that was passed to this process. */
export interface PassedSocket {
  readonly fd: number;
  /** FileDescriptorName= of its socket unit; systemd's default is the unit's own name. */
  readonly name: string;
}

/** Where a socket is bound; undefined for unix sockets that were passed, of which Node does not tell. */
export type BoundAddress = { readonly host: string; readonly port: number } | undefined;

/**
 * The sockets that systemd passed (LISTEN_FDS), if they are for this process and not for one that started it.
 * @param env what says so is removed from it: children must not think that the sockets are theirs
 */
export function passedSockets(env: NodeJS.ProcessEnv, pid: number): PassedSocket[] {
  const { LISTEN_PID: forPid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = env;
  for (const key of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[key];
  if (Number(forPid) !== pid || !/^\d{1,4}$/.test(count ?? "")) return [];
  const named = (names ?? "").split(":");
  return Array.from({ length: Number(count) }, (_, index) => ({
    fd: FIRST + index,
    name: named[index] ?? "",
  }));
}

/**
 * What is spoken on a passed socket: as the configuration says for the same address, else as the socket's name says, else HTTP.
 * @param bound where it is bound
 * @param left the configured listeners that no passed socket has yet; the one that this is, is taken out
 * @throws Error when a socket named https has no certificate
 */
export function specOfPassed(
  { fd, name }: PassedSocket,
  bound: BoundAddress,
  configured: readonly ListenerSpec[],
  left: Set<ListenerSpec>,
): ListenerSpec {
  const protocol: ListenerProtocol = protocols.find((word) => word === name) ?? "http";
  const same =
    [...left].find(({ address }) => bound !== undefined && isSame(address, bound)) ??
    // Node does not tell the path of a unix socket; its name may say which option's it is.
    (bound === undefined
      ? [...left].find((spec) => "path" in spec.address && spec.protocol === protocol)
      : undefined);
  if (same !== undefined) {
    left.delete(same);
    return { ...same, address: { fd } };
  }
  const tls = configured.find((spec) => spec.tls !== undefined)?.tls;
  if (protocol === "https" && tls === undefined)
    throw new Error(
      `the socket ${name} that systemd passed has no certificate: set https: ADDRESS,CERTIFICATE,KEY with its address`,
    );
  const withTls = protocol === "https" && tls !== undefined ? { tls } : {};
  return { id: `${protocol} fd ${fd}`, protocol, address: { fd }, ...withTls };
}

const protocols: readonly ListenerProtocol[] = ["http", "https", "uwsgi", "http-to-https"];

function isSame(address: ListenerSpec["address"], bound: NonNullable<BoundAddress>): boolean {
  if (!("port" in address) || address.port !== bound.port) return false;
  const isAny = (host: string): boolean => host === "0.0.0.0" || host === "::";
  const plain = (host: string): string =>
    host.startsWith("::ffff:") && isIPv4(host.slice(7)) ? host.slice(7) : host;
  return plain(address.host) === plain(bound.host) || (isAny(address.host) && isAny(bound.host));
}
