import path from "node:path";
import { shownValue, suggestion } from "../faults.ts";
import type { Fault } from "../faults.ts";
import type { ConfigSource } from "./config-source.ts";
import { isMapping } from "./config-source.ts";
import type { HttpAddress, WebConfig } from "./galaxy-config.ts";
import { shownAddress, type ListenerSpec } from "./listener-spec.ts";
import { WrongValue } from "./option-kinds.ts";
import type { OptionKind } from "./option-kinds.ts";
import { UNUSED_UWSGI_OPTIONS } from "./uwsgi-option-names.ts";
import { isLoopback, placeAddress, readListeners, tcpAddresses } from "./web-listeners.ts";
import { WEB_OPTION_ALIASES, WEB_OPTIONS } from "./web-options.ts";
import type { WebOptionName, WebOptionValues } from "./web-options.ts";
import { readTree } from "./web-tree.ts";

export const WEB_SECTIONS = ["web", "uwsgi"] as const;
type Section = (typeof WEB_SECTIONS)[number];

/** Reads the sections `web:` and `uwsgi:`; if both set an option, `web:` wins. `_` in a name is the same as `-`. */
export function readWebConfig(
  source: ConfigSource | undefined,
  override: readonly HttpAddress[] | undefined,
  rootDirectory: string,
  warn: (fault: Fault) => void,
): WebConfig {
  const values: WebOptionValues = {};
  const places = new Map<string, [Section, string]>();
  for (const section of ["uwsgi", "web"] as const)
    Object.assign(values, readSection(source, section, places, warn));
  const place = (option: WebOptionName): readonly string[] => places.get(option) ?? ["web", option];
  const report = (option: WebOptionName, message: string, remedy?: string): void =>
    source?.fault(place(option), message, remedy);
  const tree = readTree(values, rootDirectory, report, (option, message) => {
    if (source !== undefined) warn(source.describe(place(option), message));
  });
  const configured = readListeners(values, rootDirectory, report);
  const hasPool = tree.zerg !== undefined || tree.zergPool !== undefined;
  const listeners = settleListeners(override, configured, hasPool);
  const file = (name: "logto" | "logto2" | "daemonize" | "daemonize2" | "pidfile" | "pidfile2") =>
    values[name] === undefined ? undefined : path.resolve(rootDirectory, values[name]);
  const log = file("daemonize2") ?? file("daemonize") ?? file("logto2") ?? file("logto");
  const pidFile = file("pidfile2") ?? file("pidfile");
  const { stats } = values;
  if (stats !== undefined && "shared" in stats) report("stats", "it cannot use a shared-socket");
  return {
    http: tcpAddresses(listeners),
    listeners,
    hasDefaultListener: override === undefined && configured.length === 0 && !hasPool,
    onlyLoopback:
      tree.zerg === undefined &&
      listeners.every(({ address }) => "host" in address && isLoopback(address.host)),
    tree,
    staticMaps: (values["static-map"] ?? []).map((map) => ({
      mount: map.mount,
      path: path.resolve(rootDirectory, map.path),
    })),
    staticIndex: values["static-index"] ?? [],
    ...(values["trusted-proxies"] === undefined ? {} : { trustedProxies: values["trusted-proxies"] }),
    ...(values["buffer-size"] === undefined ? {} : { uwsgiBufferBytes: values["buffer-size"] }),
    offloadThreads: values["offload-threads"] ?? 0,
    background: values.daemonize !== undefined || values.daemonize2 !== undefined,
    ...(log === undefined
      ? {}
      : { log: { file: log, late: (values.daemonize2 ?? values.logto2) !== undefined } }),
    ...(pidFile === undefined ? {} : { pidFile: { file: pidFile, late: values.pidfile2 !== undefined } }),
    ...(stats === undefined || "shared" in stats
      ? {}
      : { stats: placeAddress(stats, "stats", values, rootDirectory, report) }),
    maxUploadBytes: values["max-upload-size"] ?? 10 * 1024 ** 3,
    maxBodyBytes: values["max-body-size"] ?? 1024 ** 2,
    rateLimitPerMinute: values["rate-limit"] ?? 0,
  };
}

/** Without any listening option the default address; none of its own in a tree whose pool listens. */
function settleListeners(
  override: readonly HttpAddress[] | undefined,
  configured: readonly ListenerSpec[],
  hasPool: boolean,
): readonly ListenerSpec[] {
  if (hasPool && override === undefined) return [];
  if (override === undefined && configured.length > 0) return configured;
  return (override ?? [{ host: "127.0.0.1", port: 8080 }]).map((address) => ({
    id: `http ${shownAddress(address)}`,
    protocol: "http",
    address,
  }));
}

function readSection(
  source: ConfigSource | undefined,
  section: Section,
  places: Map<string, [Section, string]>,
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
    const name = optionName(section, key);
    if (name === undefined) {
      const word = key.replaceAll("_", "-");
      if (UNUSED_UWSGI_OPTIONS.has(word)) unused.push(key);
      else source.fault([section, key], "unknown key", suggestion(word, knownNames(section)).remedy);
      continue;
    }
    const kind: OptionKind<unknown> & { repeated?: true } = WEB_OPTIONS[name];
    try {
      if (raw === null) continue;
      const value = kind.read(raw);
      const before = values[name];
      // Two names of one repeatable option add up.
      values[name] = kind.repeated === true && Array.isArray(before) ? [...before, ...(value as [])] : value;
      places.set(name, [section, key]);
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error;
      source.fault([section, key], error.message, error.remedy);
    }
  }
  if (unused.length > 0) warn(source.describe([section], `not used by this version: ${unused.join(", ")}`));
  return values as WebOptionValues;
}

function optionName(section: Section, key: string): WebOptionName | undefined {
  const word = key.replaceAll("_", "-");
  if (Object.hasOwn(WEB_OPTIONS, word)) return word as WebOptionName;
  const aliases = WEB_OPTION_ALIASES[section];
  return Object.hasOwn(aliases, word) ? aliases[word] : undefined;
}

function knownNames(section: Section): string[] {
  return [...Object.keys(WEB_OPTIONS), ...Object.keys(WEB_OPTION_ALIASES[section]), ...UNUSED_UWSGI_OPTIONS];
}
