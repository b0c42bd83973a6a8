/** What is spoken on a listening socket. `http-to-https` answers every request with a redirect. */
export type ListenerProtocol = "http" | "https" | "uwsgi" | "http-to-https";

/** A unix socket; owner and group are names or numbers. */
export interface UnixAddress {
  readonly path: string;
  /** Permission bits, e.g. 0o660. */
  readonly mode?: number;
  readonly owner?: string;
  readonly group?: string;
}

/** Port 0 asks the system for a free one. */
export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** Where a socket listens; `fd`: it was bound by somebody else (systemd) and inherited. */
export type ListenerAddress = TcpAddress | UnixAddress | { readonly fd: number };

/** One listening socket of the web tier. Two options of one kind are two of them. */
export interface ListenerSpec {
  /** Names it in messages and statistics, e.g. `http 127.0.0.1:8080`. */
  readonly id: string;
  readonly protocol: ListenerProtocol;
  readonly address: ListenerAddress;
  /** Files of an https listener. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Each connection begins with a PROXY protocol line that names the real client. */
  readonly proxyHeader?: boolean;
  /** Of http-to-https: the port that clients are sent to. */
  readonly httpsPort?: number;
}

/** `host:port`, with an IPv6 host in brackets, or the path, or `fd N`. */
export function shownAddress(address: ListenerAddress): string {
  if ("fd" in address) return `fd ${address.fd}`;
  if ("path" in address) return address.path;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}
