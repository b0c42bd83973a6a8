import net from "node:net";
import { shownValue, suggestion } from "../faults.ts";
import type { Fault } from "../faults.ts";
import type { ConfigSource } from "./config-source.ts";
import { isMapping } from "./config-source.ts";
import type { HttpAddress, WebConfig } from "./galaxy-config.ts";
import { number, size, WrongValue } from "./option-kinds.ts";
import type { OptionKind } from "./option-kinds.ts";
import { UNUSED_UWSGI_OPTIONS } from "./uwsgi-option-names.ts";

/** uWSGI's `host:port`; `:port` is every address of the host, as in uWSGI. `[::1]:port` for IPv6. */
export const httpAddress: OptionKind<HttpAddress> = {
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

const httpAddresses: OptionKind<readonly HttpAddress[]> = {
  read: (raw) => (Array.isArray(raw) ? raw : [raw]).map((item) => httpAddress.read(item)),
};

const WEB_OPTIONS = {
  http: httpAddresses,
  "max-upload-size": size,
  "max-body-size": size,
  "rate-limit": number({ min: 0, whole: true, unit: "requests a minute" }),
} satisfies Record<string, OptionKind<unknown>>;

type WebOptionName = keyof typeof WEB_OPTIONS;
type WebOptionValues = { -readonly [Name in WebOptionName]?: ReturnType<(typeof WEB_OPTIONS)[Name]["read"]> };

export const WEB_SECTIONS = ["web", "uwsgi"] as const;

/** Reads the sections `web:` and `uwsgi:`; if both set an option, `web:` wins. `_` in a name is the same as `-`. */
export function readWebConfig(
  source: ConfigSource | undefined,
  override: readonly HttpAddress[] | undefined,
  warn: (fault: Fault) => void,
): WebConfig {
  const values: WebOptionValues = {};
  for (const section of ["uwsgi", "web"] as const) Object.assign(values, readSection(source, section, warn));
  return {
    http: override ?? values.http ?? [{ host: "127.0.0.1", port: 8080 }],
    maxUploadBytes: values["max-upload-size"] ?? 10 * 1024 ** 3,
    maxBodyBytes: values["max-body-size"] ?? 1024 ** 2,
    rateLimitPerMinute: values["rate-limit"] ?? 0,
  };
}

/** True for an address that only this host can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (net.isIPv4(host) && host.startsWith("127."));
}

function readSection(
  source: ConfigSource | undefined,
  section: (typeof WEB_SECTIONS)[number],
  warn: (fault: Fault) => void,
): WebOptionValues {
  const content = isMapping(source?.document.value) ? source.document.value[section] : undefined;
  if (source === undefined || content === undefined || content === null) return {};
  if (!isMapping(content)) {
    source.fault([section], `expected a map of options, got ${shownValue(content)}`);
    return {};
  }
  const values: Record<string, unknown> = {};
  const unused: string[] = [];
  for (const [key, raw] of Object.entries(content)) {
    const name = key.replaceAll("_", "-");
    const kind = Object.hasOwn(WEB_OPTIONS, name) ? WEB_OPTIONS[name as WebOptionName] : undefined;
    if (kind === undefined) {
      if (UNUSED_UWSGI_OPTIONS.has(name)) unused.push(key);
      else {
        const known = [...Object.keys(WEB_OPTIONS), ...UNUSED_UWSGI_OPTIONS];
        source.fault([section, key], "unknown key", suggestion(name, known).remedy);
      }
      continue;
    }
    try {
      if (raw !== null) values[name] = kind.read(raw);
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error;
      source.fault([section, key], error.message, error.remedy);
    }
  }
  if (unused.length > 0) warn(source.describe([section], `not used by this version: ${unused.join(", ")}`));
  return values as WebOptionValues;
}
