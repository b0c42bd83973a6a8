import path from "node:path";
import type { ConfiguredFarm, TreeConfig, WebSignals } from "./galaxy-config.ts";
import type { UnixAddress } from "./listener-spec.ts";
import { placeAddress, type ReportOption } from "./web-listeners.ts";
import { socketPathTooLong } from "./web-options.ts";
import type { WebOptionName, WebOptionValues } from "./web-options.ts";

/** uWSGI's patience with a process that was told to end, seconds. */
const DEFAULT_MERCY = 60;
/** Longest queue of connections that the kernel holds. */
const DEFAULT_BACKLOG = 511;

/** What the signals ask of a master, unless hook-master-start says otherwise: the table of docs/web-tier.md. */
export const MASTER_SIGNALS: WebSignals = {
  SIGTERM: "stop",
  SIGINT: "stop",
  SIGQUIT: "stop-at-once",
  SIGHUP: "reload",
  SIGUSR1: "reopen-logs",
  SIGTTIN: "more-workers",
  SIGTTOU: "fewer-workers",
};

/** The processes that the options ask for. */
export function readTree(
  values: WebOptionValues,
  root: string,
  report: ReportOption,
  warn: (option: WebOptionName, message: string) => void,
): TreeConfig {
  const mules = (values.mule?.length ?? 0) + (values.mules ?? 0);
  const farms = readFarms(values, mules, report, warn);
  const zerg = values.zerg === undefined ? undefined : socketPath(values.zerg, "zerg", root, report);
  const zergPool = readZergPool(values, root, report);
  const processes = values.processes ?? 1;
  const mercy = values["reload-mercy"] ?? DEFAULT_MERCY;
  if (values["die-on-term"] === false)
    warn("die-on-term", "SIGTERM always stops the web tier; SIGHUP reloads it");
  if (zerg !== undefined && zergPool !== undefined)
    report("zerg", "a pool of zerg generations cannot attach to one", "keep zerg or zerg-pool");
  return {
    hasMaster:
      values.master === true ||
      processes > 1 ||
      mules > 0 ||
      zerg !== undefined ||
      values.stats !== undefined,
    processes,
    farms,
    workerMercy: values["worker-reload-mercy"] ?? mercy,
    muleMercy: values["mule-reload-mercy"] ?? mercy,
    harakiri: values.harakiri ?? 0,
    maxRequests: values["max-requests"] ?? 0,
    backlog: values.listen ?? DEFAULT_BACKLOG,
    signals: readSignals(values, warn),
    ...(values.uid === undefined ? {} : { uid: values.uid }),
    ...(values.gid === undefined ? {} : { gid: values.gid }),
    ...(values.chdir === undefined ? {} : { chdir: path.resolve(root, values.chdir) }),
    ...(zerg === undefined ? {} : { zerg }),
    ...(zergPool === undefined ? {} : { zergPool }),
  };
}

function readSignals(
  values: WebOptionValues,
  warn: (option: WebOptionName, message: string) => void,
): WebSignals {
  const signals: { -readonly [Signal in keyof WebSignals]: WebSignals[Signal] } = { ...MASTER_SIGNALS };
  for (const hook of values["hook-master-start"] ?? []) {
    if (hook === undefined) warn("hook-master-start", "only its unix_signal hooks are used");
    else signals[hook.signal] = hook.action === "kill_them_all" ? "stop-at-once" : "stop";
  }
  return signals;
}

/** Each mule is in exactly one farm (galaxy.md 1.3). */
function readFarms(
  values: WebOptionValues,
  mules: number,
  report: ReportOption,
  warn: (option: WebOptionName, message: string) => void,
): ConfiguredFarm[] {
  const farmOf = new Map<number, string>();
  const farms: ConfiguredFarm[] = [];
  const names = new Set<string>();
  for (const farm of values.farm ?? []) {
    if (names.has(farm.name))
      report("farm", `the farm ${farm.name} is given twice`, "name all its mules in one farm");
    names.add(farm.name);
    for (const mule of farm.mules) {
      const other = farmOf.get(mule);
      if (mule < 1 || mule > mules)
        report(
          "farm",
          `the farm ${farm.name} names mule ${mule}, and there ${mules === 1 ? "is 1 mule" : `are ${mules} mules`}`,
          "add an option mule for each, they are numbered from 1",
        );
      else if (other !== undefined)
        report(
          "farm",
          `mule ${mule} is in the farms ${other} and ${farm.name}`,
          "a mule must be in exactly one",
        );
      else farmOf.set(mule, farm.name);
    }
    if (/^job-handlers(\.[^.\s]+)?$/.test(farm.name)) farms.push(farm);
    else if (/^workflow-schedulers(\.|$)/.test(farm.name))
      warn("farm", `there are no workflows to schedule: the mules of ${farm.name} are not started`);
    else
      report(
        "farm",
        `${farm.name} is not a pool of job handlers`,
        "write job-handlers:…, or job-handlers.TAG:…",
      );
  }
  for (let mule = 1; mule <= mules; mule += 1)
    if (!farmOf.has(mule))
      report(
        "mule",
        `mule ${mule} is in no farm: it would get no jobs`,
        `add farm: job-handlers:${mule}, or its number to a farm`,
      );
  return farms;
}

function readZergPool(
  values: WebOptionValues,
  root: string,
  report: ReportOption,
): TreeConfig["zergPool"] | undefined {
  const { "zerg-pool": written, "zerg-server": server } = values;
  const option = written === undefined ? "zerg-server" : "zerg-pool";
  const control = written?.control ?? server;
  if (control === undefined) return undefined;
  const named = written?.addresses ?? [];
  const addresses = named.length > 0 ? named : (values.http ?? []).map(({ address }) => address);
  if (addresses.length === 0)
    report(
      option,
      "it has no address to listen on",
      `write for example ${option}: /run/galaxy/pool.sock:127.0.0.1:8080`,
    );
  return {
    control: placeUnix(control, option, values, root, report),
    addresses: addresses.flatMap((address) => {
      if (!("shared" in address)) return [placeAddress(address, option, values, root, report)];
      report(option, "a pool does not take a shared-socket", "write the address itself");
      return [];
    }),
  };
}

function placeUnix(
  written: string,
  option: WebOptionName,
  values: WebOptionValues,
  root: string,
  report: ReportOption,
): UnixAddress {
  const mode = values["chmod-socket"];
  return {
    path: socketPath(written, option, root, report),
    ...(mode === undefined ? {} : { mode }),
    ...values["chown-socket"],
  };
}

function socketPath(written: string, option: WebOptionName, root: string, report: ReportOption): string {
  const absolute = path.resolve(root, written);
  const tooLong = socketPathTooLong(absolute);
  if (tooLong !== undefined) report(option, tooLong, "choose a shorter path, for example below /run");
  return absolute;
}
