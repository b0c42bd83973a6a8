import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Absent } from "./bench.ts";
import { temporaryFolder } from "./folder.ts";
import { start, type Running } from "./program.ts";

export { start, type Running } from "./program.ts";

/** Handlers and what they work on. */
export interface HandlersPlan {
  /** `handling` of job_conf. */
  readonly handling: Readonly<Record<string, unknown>>;
  /** Webless handlers, by server name. */
  readonly handlers: readonly string[];
  /** Jobs at once in each handler; default 2. */
  readonly workers?: number;
  /** `limits` of job_conf. */
  readonly limits?: readonly Readonly<Record<string, unknown>>[];
  /** `database_connection`; default: an embedded server of the instance's own. */
  readonly database?: string;
  /** More of the section `galaxy:`. */
  readonly galaxy?: Readonly<Record<string, unknown>>;
  /** Runner and destination of job_conf, where it is not the local one. */
  readonly runner?: Readonly<Record<string, unknown>>;
}

/** How an instance is deployed. */
export interface Strategy extends HandlersPlan {
  readonly name: string;
  /** Options of the section `web:`. */
  readonly web: Readonly<Record<string, unknown>>;
  /** Seen in the log of galaxy-web when its handlers are there; a build without them is not measured. */
  readonly handlersStarted?: RegExp;
}

/** The files of an instance. */
export interface Site {
  readonly folder: string;
  readonly config: string;
  remove(): Promise<void>;
}

export interface Instance {
  readonly address: string;
  /** In this order: web, handlers. */
  readonly programs: readonly Running[];
  readonly site: Site;
  stop(): Promise<void>;
}

/** An instance with a database of its own and one tool, `noop`, whose job is over at once. */
export async function startInstance(strategy: Strategy): Promise<Instance> {
  const site = await makeSite(strategy, strategy.web);
  const running: Running[] = [];
  const stop = async () => {
    for (const program of running.toReversed()) await program.end();
    await site.remove();
  };
  try {
    const web = start("web", ["-c", site.config]);
    running.push(web);
    const [, address] = (await web.line(/web\.listening\b.*?\b(http:\/\/[^\s"]+)/, 120_000)) ?? [];
    if (address === undefined) throw new Error(`galaxy-web did not start:\n${web.lines.join("\n")}`);
    if (
      strategy.handlersStarted !== undefined &&
      (await web.line(strategy.handlersStarted, 60_000)) === undefined
    )
      throw new Absent("galaxy-web started no such handlers");
    for (const name of strategy.handlers) running.push(await startHandler(site, name));
    return { address, programs: running, site, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A webless handler of a site, once it is registered. */
export async function startHandler(site: Site, name: string): Promise<Running> {
  const handler = beginHandler(site, name);
  if ((await handler.line(/job\.registered/, 120_000)) === undefined)
    throw new Error(`${name} did not start:\n${handler.lines.join("\n")}`);
  return handler;
}

/** The same without waiting. */
export function beginHandler({ config }: Site, name: string): Running {
  const args = ["-c", config, "--server-name", name, "--attach-to-pool", "job-handlers"];
  return start("handler", args);
}

/** Configuration and tools in a folder of their own. */
export async function makeSite(
  plan: HandlersPlan,
  web: Readonly<Record<string, unknown>> = {},
): Promise<Site> {
  const folder = await temporaryFolder("instance");
  await mkdir(join(folder.path, "tools"));
  await writeFile(
    join(folder.path, "tools", "noop.yml"),
    'class: GalaxyUserTool\nid: noop\nname: noop\nversion: "1.0"\nshell_command: "true"\ninputs: []\noutputs: []\n',
  );
  const config = join(folder.path, "galaxy.yml");
  const runner = plan.runner ?? { load: "galaxy.jobs.runners.local:LocalJobRunner" };
  const galaxy = {
    data_dir: join(folder.path, "database"),
    tool_path: join(folder.path, "tools"),
    single_user: "bench@example.org",
    admin_users: "bench@example.org",
    ...(plan.database === undefined ? {} : { database_connection: plan.database }),
    ...plan.galaxy,
    job_config: {
      runners: { local: { ...runner, workers: plan.workers ?? 2 } },
      handling: plan.handling,
      execution: { default: "local", environments: { local: { runner: "local" } } },
      limits: plan.limits ?? [],
    },
  };
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ web: { http: "127.0.0.1:0", ...web }, galaxy }));
  return { folder: folder.path, config, remove: folder.remove };
}
