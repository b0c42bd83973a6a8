import { realpathSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { handlerTags, isWebHandler, poolOfTag } from "@galaxy-jobs/handler";
import { FaultsError, type Fault, type GalaxyConfig } from "@galaxy-jobs/runtime";

/** A handler that is to run: its server name, and the pools it attaches to (none where job_conf defines its tags). */
export interface PlannedHandler {
  readonly serverName: string;
  readonly pools: readonly string[];
}

/** What the files of a process manager say about this host. All paths are absolute and plain. */
export interface HostFacts {
  readonly root: string;
  readonly config: string;
  /** Where `galaxy-web`, `galaxy-handler` and `galaxyctl` are. */
  readonly bin: string;
  readonly user: string;
  readonly group: string;
  readonly environmentDirectory: string;
  readonly log: string;
  /** Folders that the web tier writes to. */
  readonly writable: readonly string[];
  /** The first address that it listens on. */
  readonly address: string;
  readonly webHandlesJobs: boolean;
  readonly handlers: readonly PlannedHandler[];
}

export interface HostChoices {
  readonly user?: string | undefined;
  readonly group?: string | undefined;
  readonly bin?: string | undefined;
  /** Of handlers that job_conf does not define. */
  readonly handlers: number;
  readonly environmentDirectory: string;
}

/**
 * The facts of this host, of its configuration and of what was chosen.
 * @throws FaultsError for what none of the files could hold
 */
export function hostFacts(config: GalaxyConfig, choices: HostChoices): HostFacts {
  if (config.file === undefined)
    throw new Error("there is no galaxy.yml to write files for: name one with -c");
  const user = choices.user ?? userInfo().username;
  const listener = config.web.listeners[0]?.address;
  const facts: HostFacts = {
    root: config.rootDirectory,
    config: config.file,
    bin: resolve(choices.bin ?? ownPrograms()),
    user,
    group: choices.group ?? user,
    environmentDirectory: resolve(choices.environmentDirectory),
    log: join(config.rootDirectory, "log"),
    writable: [
      ...new Set([
        config.dataDirectory,
        config.fileDirectory,
        config.jobWorkingDirectory,
        config.newFileDirectory,
      ]),
    ].filter((folder, _, all) => !all.some((other) => other !== folder && folder.startsWith(`${other}/`))),
    address:
      listener === undefined || "fd" in listener
        ? "127.0.0.1:8080"
        : "path" in listener
          ? listener.path
          : `${listener.host.includes(":") ? `[${listener.host}]` : listener.host}:${listener.port}`,
    webHandlesJobs: isWebHandler(config, config.web.tree.farms.length > 0),
    handlers: plannedHandlers(config, choices.handlers),
  };
  const faults = wordFaults(facts);
  if (faults.length > 0) throw new FaultsError(config.file, faults);
  return facts;
}

/** Those that job_conf defines; else so many that attach to every pool that a tool is mapped to. */
function plannedHandlers(config: GalaxyConfig, count: number): PlannedHandler[] {
  const { handlers, tools, defaultHandler } = config.jobs;
  const defined = handlers.filter(({ id }) => id !== config.serverName && !id.includes(".job-handlers"));
  if (defined.length > 0) return defined.map(({ id }) => ({ serverName: id, pools: [] }));
  const tags = [defaultHandler, ...tools.map(({ handler }) => handler)].filter((tag) => tag !== undefined);
  const pools = ["job-handlers", ...tags.map(poolOfTag)];
  const served = new Set(handlerTags({ ...config, attachToPools: [...pools] }).map(poolOfTag));
  return Array.from({ length: count }, (_, index) => ({ serverName: `handler${index}`, pools: [...served] }));
}

/** The folder of the links to the programs: beside this one, as npm or pnpm laid them. */
function ownPrograms(): string {
  const called = process.argv[1];
  return called === undefined
    ? "/usr/local/bin"
    : dirname(called.includes("/bin/") ? called : realpathSync(called));
}

/** Units and programs are lines of words: neither blanks nor % may be in one. */
function wordFaults(facts: HostFacts): Fault[] {
  const words: Record<string, string> = {
    "the root folder": facts.root,
    "the path of galaxy.yml": facts.config,
    "--bin": facts.bin,
    "--user": facts.user,
    "--group": facts.group,
    "--environment-dir": facts.environmentDirectory,
  };
  facts.handlers.forEach(({ serverName }) => (words[`the handler ${serverName}`] = serverName));
  facts.writable.forEach((folder) => (words[`the folder ${folder}`] = folder));
  return Object.entries(words)
    .filter(([, word]) => !/^[\w@.:+/-]+$/.test(word))
    .map(([key, word]) => ({
      key,
      message: `${JSON.stringify(word)} cannot be written into these files`,
      remedy: "use letters, digits and _ @ . : + / - only",
    }));
}
