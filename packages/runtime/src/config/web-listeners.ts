import net from "node:net";
import path from "node:path";
import type { TcpAddress, ListenerAddress, ListenerProtocol, ListenerSpec } from "./listener-spec.ts";
import { shownAddress } from "./listener-spec.ts";
import { socketPathTooLong } from "./web-options.ts";
import type { WebOptionName, WebOptionValues, WrittenAddress, WrittenListener } from "./web-options.ts";

/** Reports a fault of an option. */
export type ReportOption = (option: WebOptionName, message: string, remedy?: string) => void;

/** The options that make listening sockets, with what is spoken on them. */
const LISTENING_OPTIONS = [
  ["http", "http"],
  ["http-socket", "http"],
  ["https", "https"],
  ["http-to-https", "http-to-https"],
  ["uwsgi-socket", "uwsgi"],
] as const satisfies readonly (readonly [WebOptionName, ListenerProtocol])[];

/** The listening sockets that the options ask for, `=N` replaced by the shared-socket, paths made absolute. */
export function readListeners(values: WebOptionValues, root: string, report: ReportOption): ListenerSpec[] {
  const listeners: ListenerSpec[] = [];
  for (const [option, protocol] of LISTENING_OPTIONS) {
    for (const item of values[option] ?? []) {
      const written: WrittenListener = "address" in item ? item : { address: item };
      const settled = settleShared(written, option, values, report);
      if (settled === undefined) continue;
      const address = placeAddress(settled.address, option, values, root, report);
      const tls = protocol === "https" ? readTls(settled, root, option, report) : undefined;
      listeners.push({
        id: `${protocol} ${shownAddress(address)}`,
        protocol,
        address,
        ...(tls === undefined ? {} : { tls }),
      });
    }
  }
  reportDoubles(listeners, report);
  return withRedirectPorts(listeners, report);
}

/** Makes a written address absolute; the options chmod-socket and chown-socket go to unix sockets. */
export function placeAddress(
  written: Exclude<WrittenAddress, { shared: number }>,
  option: WebOptionName,
  values: WebOptionValues,
  root: string,
  report: ReportOption,
): Exclude<ListenerAddress, { fd: number }> {
  if (!("path" in written)) return written;
  const absolute = path.resolve(root, written.path);
  const tooLong = socketPathTooLong(absolute);
  if (tooLong !== undefined) report(option, tooLong, "choose a shorter path, for example below /run");
  const mode = values["chmod-socket"];
  return { path: absolute, ...(mode === undefined ? {} : { mode }), ...values["chown-socket"] };
}

/** True for an address that only this host can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (net.isIPv4(host) && host.startsWith("127."));
}

/** The addresses of TCP among the listeners. */
export function tcpAddresses(listeners: readonly ListenerSpec[]): TcpAddress[] {
  return listeners.flatMap(({ address }) => ("host" in address ? [address] : []));
}

type Settled = Omit<WrittenListener, "address"> & {
  readonly address: Exclude<WrittenAddress, { shared: number }>;
};

function settleShared(
  written: WrittenListener,
  option: WebOptionName,
  values: WebOptionValues,
  report: ReportOption,
): Settled | undefined {
  const { address } = written;
  if (!("shared" in address)) return { ...written, address };
  const shared = values["shared-socket"]?.[address.shared];
  if (shared === undefined || "shared" in shared.address) {
    const count = values["shared-socket"]?.length ?? 0;
    report(
      option,
      `there is no shared-socket number ${address.shared}`,
      `there ${count === 1 ? "is" : "are"} ${count}, counted from 0`,
    );
    return undefined;
  }
  return { ...shared, ...written, address: shared.address };
}

function readTls(
  { certificate, key }: Settled,
  root: string,
  option: WebOptionName,
  report: ReportOption,
): ListenerSpec["tls"] {
  if (certificate !== undefined && key !== undefined)
    return { certificate: path.resolve(root, certificate), key: path.resolve(root, key) };
  report(option, "a certificate and its key are missing", "write for example :8443,server.crt,server.key");
  return undefined;
}

function reportDoubles(listeners: readonly ListenerSpec[], report: ReportOption): void {
  const seen = new Set<string>();
  for (const { address } of listeners) {
    const shown = shownAddress(address);
    if ("port" in address && address.port === 0) continue;
    if (seen.has(shown)) report("http", `two options listen on ${shown}`, "keep one of them");
    seen.add(shown);
  }
}

function withRedirectPorts(listeners: readonly ListenerSpec[], report: ReportOption): ListenerSpec[] {
  const https = listeners.find(({ protocol }) => protocol === "https");
  const httpsPort = https !== undefined && "port" in https.address ? https.address.port : undefined;
  return listeners.map((listener) => {
    if (listener.protocol !== "http-to-https") return listener;
    if (https === undefined)
      report("http-to-https", "there is no https to send clients to", "add the option https");
    return httpsPort === undefined ? listener : { ...listener, httpsPort };
  });
}
