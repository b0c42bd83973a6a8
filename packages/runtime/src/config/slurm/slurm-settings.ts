import type { RuleFault } from "../dynamic-rule.ts";
import { number, text, WrongValue, type OptionKind } from "../option-kinds.ts";
import { readSbatchOptions, type SbatchOption } from "./sbatch-options.ts";
import { shellWords } from "./shell-words.ts";

/** Where the commands of Slurm are run. */
export interface RemoteShell {
  readonly hostname: string;
  readonly username?: string;
  readonly privateKey?: string;
  readonly port?: number;
}

/** What a destination says to Slurm (galaxy.md 3.5, 4.17, 4.18). */
export interface SlurmSettings {
  /** In the order in which they are given to sbatch. */
  readonly options: readonly SbatchOption[];
  /** Of a site with several: the one that takes the jobs. */
  readonly cluster?: string;
  /** Undefined: this machine. */
  readonly shell?: RemoteShell;
}

/** Parameters that are options of sbatch, alone or after `job_` as Galaxy's CLI runner has them. */
const optionParams: Readonly<Record<string, string>> = {
  partition: "partition",
  time: "time",
  ncpus: "cpus-per-task",
  cpus: "cpus-per-task",
  memory: "mem",
  mem: "mem",
  account: "account",
  qos: "qos",
  constraint: "constraint",
  dependency: "dependency",
  nodes: "nodes",
  ntasks: "ntasks",
  gres: "gres",
  reservation: "reservation",
  licenses: "licenses",
  nodelist: "nodelist",
  exclude: "exclude",
};

const nativeParams = ["nativeSpecification", "native_specification"];
const localShells = ["localshell"];
const remoteShells = ["secureshell", "ssh", "paramikoshell"];
const port = number({ min: 1, max: 65_535, whole: true });

/** Reads the parameters of a destination whose runner is Slurm's; what is wrong is left out and has a fault. */
export function readSlurmSettings(params: Readonly<Record<string, unknown>>): {
  readonly settings: SlurmSettings;
  readonly faults: readonly RuleFault[];
} {
  const faults: RuleFault[] = [];
  const get = <T>(key: string, kind: OptionKind<T>): T | undefined => {
    const value = Object.hasOwn(params, key) ? params[key] : undefined;
    if (value === undefined || value === null || value === "") return undefined;
    try {
      return kind.read(value);
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error;
      faults.push({ key, message: error.message });
      return undefined;
    }
  };
  const options: SbatchOption[] = [];
  const add = (key: string, words: readonly string[] | undefined) => {
    const read =
      words === undefined ? { fault: "a quote or backslash is left open" } : readSbatchOptions(words);
    if (read.fault === undefined) options.push(...read.options);
    else
      faults.push({
        key,
        message: read.fault,
        ...(read.remedy === undefined ? {} : { remedy: read.remedy }),
      });
  };
  for (const key of nativeParams) {
    const written = get(key, text);
    if (written !== undefined) add(key, shellWords(written));
  }
  for (const [name, option] of Object.entries(optionParams))
    for (const key of [name, `job_${name}`]) {
      const value = get(key, text);
      if (value !== undefined) add(key, [`--${option}=${value}`]);
    }
  for (const key of ["array", "job_array"])
    if (get(key, text) !== undefined) add(key, [`--array=${String(params[key])}`]);
  const jobPlugin = get("job_plugin", text);
  if (jobPlugin !== undefined && jobPlugin.toLowerCase() !== "slurm")
    faults.push({ key: "job_plugin", message: `there is no job plugin ${jobPlugin}`, remedy: "it is Slurm" });
  const shell = readShell(get, faults);
  const clusters = options.filter(({ name }) => name === "clusters").map(({ value }) => value);
  const cluster = clusters.at(-1);
  if (cluster !== undefined && !/^[A-Za-z0-9_.-]+$/.test(cluster))
    faults.push({ key: "nativeSpecification", message: "--clusters has to name one cluster" });
  return {
    settings: {
      options: options.filter(({ name }) => name !== "clusters"),
      ...(cluster === undefined ? {} : { cluster }),
      ...(shell === undefined ? {} : { shell }),
    },
    faults,
  };
}

function readShell(
  get: <T>(key: string, kind: OptionKind<T>) => T | undefined,
  faults: RuleFault[],
): RemoteShell | undefined {
  const plugin = get("shell_plugin", text)?.toLowerCase();
  if (plugin === undefined || localShells.includes(plugin)) return undefined;
  if (!remoteShells.includes(plugin)) {
    const remedy = "one of LocalShell and SecureShell";
    faults.push({ key: "shell_plugin", message: `there is no shell plugin ${plugin}`, remedy });
    return undefined;
  }
  const hostname = get("shell_hostname", text);
  const username = get("shell_username", text);
  const privateKey = get("shell_private_key", text);
  const shellPort = get("shell_port", port);
  for (const [key, value] of [
    ["shell_hostname", hostname],
    ["shell_username", username],
  ] as const)
    if (value !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.:-]*$/.test(value))
      faults.push({ key, message: `expected a name, got ${JSON.stringify(value)}` });
  if (hostname === undefined) {
    faults.push({ key: "shell_hostname", message: "shell_hostname is required by SecureShell" });
    return undefined;
  }
  return {
    hostname,
    ...(username === undefined ? {} : { username }),
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(shellPort === undefined ? {} : { port: shellPort }),
  };
}

/** Whether what a runner loads is, for this release, Slurm's: Galaxy's slurm, drmaa and cli runners (galaxy.md 3.4). */
export function isSlurmRunner(load: string): boolean {
  return /^(galaxy\.jobs\.runners\.)?(slurm(:SlurmJobRunner)?|drmaa(:DRMAAJobRunner)?|cli(:ShellJobRunner)?)$/.test(
    load,
  );
}
