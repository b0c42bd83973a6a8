import type { IncomingMessage } from "node:http";
import { BlockList, isIP, isIPv4 } from "node:net";

/** The other end of a connection. */
export interface Peer {
  /** Its IP address. For a unix socket, whose peers have none, that of this host. */
  readonly address: string;
  readonly port: number | undefined;
  /** What it says about the client is believed. */
  readonly trusted: boolean;
  /** The client reached the proxy over TLS. Undefined: this side sees it by itself. */
  readonly secure?: boolean;
}

/** Stands for the peer of a unix socket: a process of this host. */
export const localPeer: Peer = { address: "127.0.0.1", port: undefined, trusted: true };

/** Addresses whose X-Forwarded-… headers are believed. */
export class TrustedProxies {
  readonly #list = new BlockList();

  /**
   * @param entries addresses and networks: 10.0.0.7, 10.0.0.0/8, fd00::/8
   * @throws Error that names the entry that is neither
   */
  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      const [address = "", prefix] = entry.trim().split("/");
      const bits = isIP(address) === 6 ? 128 : 32;
      const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
      if (isIP(address) === 0 || !(length >= 0 && length <= bits)) {
        throw new Error(
          `${JSON.stringify(entry)} is neither an address nor a network; write for example 10.0.0.7 or 10.0.0.0/8`,
        );
      }
      this.#list.addSubnet(address, length, isIP(address) === 6 ? "ipv6" : "ipv4");
    }
  }

  has(address: string): boolean {
    const plain = plainAddress(address);
    return isIP(plain) !== 0 && this.#list.check(plain, isIPv4(plain) ? "ipv4" : "ipv6");
  }
}

/** ::ffff:10.0.0.7, as IPv4 clients of an IPv6 socket show, is 10.0.0.7. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? address;
}

/**
 * Leaves in the headers only what may be believed: X-Forwarded-For as the one address of the client, or nothing. The
 * application can then trust the first hop (`trust proxy` 1) without knowing who is trusted.
 */
export function cleanForwarded(request: IncomingMessage, peer: Peer, proxies: TrustedProxies): void {
  const { headers } = request;
  delete headers["forwarded"];
  if (!peer.trusted) {
    for (const name of ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"])
      delete headers[name];
    return;
  }
  const client = clientOf(headers["x-forwarded-for"], proxies);
  if (client === undefined) delete headers["x-forwarded-for"];
  else headers["x-forwarded-for"] = client;
  const proto = String(headers["x-forwarded-proto"] ?? "")
    .split(",")[0]!
    .trim()
    .toLowerCase();
  if (proto === "http" || proto === "https") headers["x-forwarded-proto"] = proto;
  else delete headers["x-forwarded-proto"];
}

/** From the right: the first address that is not one of our proxies. What stands left of it, the client may have made up. */
function clientOf(header: string | string[] | undefined, proxies: TrustedProxies): string | undefined {
  const hops = String(header ?? "")
    .split(",")
    .map((hop) => plainAddress(hop.trim().replace(/^\[(.*)\](:\d+)?$/, "$1")));
  let client: string | undefined;
  for (const hop of hops.reverse()) {
    if (isIP(hop) === 0) break;
    client = hop;
    if (!proxies.has(hop)) break;
  }
  return client;
}
