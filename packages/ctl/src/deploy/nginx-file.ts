import { FaultsError, type Fault, type GalaxyConfig, type ListenerSpec } from "@galaxy-jobs/runtime";
import { fillTemplate } from "./fill-template.ts";
import type { RenderedFile } from "./render-files.ts";

export interface NginxChoices {
  /** server_name; default: any. */
  readonly host?: string | undefined;
  /** `listen`; default 80, with a certificate 443, and 80 leads there. */
  readonly listen?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** nginx before the web tier of this configuration: see docs/proxy.md. @throws FaultsError */
export function nginxFile(config: GalaxyConfig, choices: NginxChoices): RenderedFile {
  const { certificate, key } = choices;
  const spec = whereToPass(config);
  const faults = [...wordFaults(choices, config), ...pairFaults(choices)];
  if (spec === undefined)
    faults.push({
      key: "web.http",
      message: "there is no address that nginx could pass requests to",
      remedy: "set web.http (or uwsgi-socket) to a unix socket, or to an address of this host",
    });
  if (faults.length > 0 || spec === undefined) throw new FaultsError(config.file ?? "configuration", faults);
  const isUwsgi = spec.protocol === "uwsgi";
  const kind = isUwsgi ? "uwsgi" : "proxy";
  const hasTls = certificate !== undefined;
  const host = choices.host ?? "_";
  const { fileHandover, fileDirectory } = config;
  return {
    name: "galaxy.conf",
    content: fillTemplate("nginx/galaxy.conf", {
      upstream: upstreamOf(spec),
      // One request a connection, as the uwsgi protocol has it.
      keepalive: isUwsgi ? "" : "  keepalive 16;\n",
      kind,
      host,
      listen: `${choices.listen ?? (hasTls ? "443" : "80")}${hasTls ? " ssl" : ""}`,
      redirect: hasTls && choices.listen === undefined ? fillTemplate("nginx/redirect", { host }) : "",
      tls: hasTls ? fillTemplate("nginx/tls", { certificate, key: key! }) : "",
      maxBody: `${Math.ceil(config.web.maxUploadBytes / 2 ** 20) + 1}m`,
      requestBuffering: `  ${kind}_request_buffering off;\n`,
      pass: fillTemplate(`nginx/pass-${isUwsgi ? "uwsgi" : "http"}`, {}).trimEnd(),
      handover:
        fileHandover?.header === "x-accel-redirect"
          ? fillTemplate("nginx/handover", {
              prefix: fileHandover.prefix.replace(/\/$/, ""),
              files: fileDirectory,
            })
          : fillTemplate("nginx/no-handover", {}),
    }),
  };
}

/** A unix socket before a port, HTTP before uwsgi, which has no kept connections. */
function whereToPass(config: GalaxyConfig): ListenerSpec | undefined {
  const usable = config.web.listeners.filter(
    ({ protocol, address }) => (protocol === "http" || protocol === "uwsgi") && !("fd" in address),
  );
  const rank = ({ protocol, address }: ListenerSpec) =>
    (protocol === "http" ? 0 : 2) + ("path" in address ? 0 : 1);
  return usable.toSorted((one, other) => rank(one) - rank(other))[0];
}

function upstreamOf({ address }: ListenerSpec): string {
  if ("path" in address) return `unix:${address.path}`;
  if ("fd" in address) throw new Error("a socket that was passed on has no address");
  const { host, port } = address;
  if (host === "0.0.0.0" || host === "::") return `127.0.0.1:${port}`;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function pairFaults({ certificate, key }: NginxChoices): Fault[] {
  if ((certificate === undefined) === (key === undefined)) return [];
  return [
    {
      key: certificate === undefined ? "--certificate" : "--key",
      message: "TLS needs a certificate and its key",
      remedy: "give both --certificate and --key, or neither",
    },
  ];
}

/** Nothing in these files is quoted. */
function wordFaults({ host, listen, certificate, key }: NginxChoices, config: GalaxyConfig): Fault[] {
  const words: Record<string, string | undefined> = {
    "--host": host,
    "--listen": listen,
    "--certificate": certificate,
    "--key": key,
    file_path: config.fileDirectory,
    nginx_x_accel_redirect_base: config.fileHandover?.prefix,
  };
  config.web.listeners.forEach(({ id, address }) => {
    if ("path" in address) words[id] = address.path;
  });
  return Object.entries(words)
    .filter(([, word]) => word !== undefined && word !== "" && !/^[\w@.:+*[\]/-]+$/.test(word))
    .map(([name, word]) => ({
      key: name,
      message: `${JSON.stringify(word)} cannot be written into nginx's configuration`,
      remedy: "use letters, digits and _ @ . : + / - only",
    }));
}
