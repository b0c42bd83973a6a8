import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createDatabase, type TestDatabase } from "./database.ts";
import { traversableFolder, type TestServer } from "./servers.ts";
import { until } from "./until.ts";

export const repository = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
export const programs = {
  web: join(repository, "packages", "web", "bin", "galaxy-web.js"),
  handler: join(repository, "packages", "handler", "bin", "galaxy-handler.js"),
  ctl: join(repository, "packages", "ctl", "bin", "galaxyctl.js"),
};

/** A program of ours as a child process, with the lines it wrote. */
export interface Daemon {
  readonly name: string;
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  /** Resolves to the first line that matches, old or new; rejects when the program ends first or after `deadline` ms. */
  line(pattern: RegExp, deadline?: number): Promise<RegExpExecArray>;
  /** Sends a signal and waits for the end, which it brings about itself after a minute. @returns exit code, or the signal's name */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

export function startDaemon(
  name: string,
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Daemon {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return watch(name, child);
}

/** A child whose stdout and stderr are pipes. */
export function watch(name: string, child: ChildProcess): Daemon {
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream! }).on("line", (line) => {
      lines.push(line);
      for (const watcher of watchers) watcher();
    });
  }
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return {
    name,
    child,
    lines,
    line: (pattern, deadline = 60_000) =>
      new Promise((resolve, reject) => {
        const finish = (act: () => void) => {
          watchers.delete(look);
          clearTimeout(timer);
          act();
        };
        const look = () => {
          const match = lines.map((line) => pattern.exec(line)).find((found) => found !== null);
          if (match !== undefined) finish(() => resolve(match!));
        };
        const report = (what: string) =>
          new Error(`${name} ${what} without a line like ${pattern}:\n${lines.join("\n")}`);
        const timer = setTimeout(() => finish(() => reject(report(`ran ${deadline} ms`))), deadline);
        void ended.then((code) => finish(() => reject(report(`ended (${code})`))));
        watchers.add(look);
        look();
      }),
    async stop(signal = "SIGTERM") {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      // One that stands still would not hear of it.
      if (signal === "SIGTERM") child.kill("SIGCONT");
      const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
      return ended.finally(() => clearTimeout(timer));
    },
  };
}

export interface Galaxy {
  readonly folder: string;
  readonly configFile: string;
  readonly database: TestDatabase;
  readonly address: string;
  readonly web: Daemon;
  readonly handlers: Daemon[];
  /** Starts another handler and waits until it is registered. */
  startHandler(name: string, pools?: readonly string[], env?: Record<string, string>): Promise<Daemon>;
  /** The same without waiting. */
  spawnHandler(name: string, pools?: readonly string[], env?: Record<string, string>): Daemon;
  /** A request to the API; the parsed body. Throws on an error status. */
  api<T = any>(
    path: string,
    options?: { method?: string; body?: unknown; headers?: Record<string, string> },
  ): Promise<T>;
  /** Waits until a job is in one of the states. */
  job(id: string, states: readonly string[], deadline?: number): Promise<any>;
  stop(): Promise<void>;
}

/** A whole Galaxy on a database of its own: the web tier and handlers, as the programs that users start. */
export async function startGalaxy(
  options: {
    handlers?: readonly string[];
    which?: "embedded" | "system" | TestServer;
    galaxy?: Record<string, unknown>;
    web?: Record<string, unknown>;
    /** Sections of job_conf beside those that the options below make. */
    jobs?: Record<string, unknown>;
    assign?: string;
    workers?: number;
    tools?: string;
    /** What the configuration gives as the database, where that is not the database's own address. */
    connection?: (database: TestDatabase) => string;
  } = {},
): Promise<Galaxy> {
  const database = await createDatabase(options.which);
  const folder = await traversableFolder("galaxy-test-");
  const configFile = join(folder, "config", "galaxy.yml");
  await mkdir(dirname(configFile));
  const galaxy = {
    database_connection: options.connection?.(database) ?? database.url,
    single_user: "tester@example.org",
    job_handler_monitor_sleep: 0.2,
    ...(options.tools === undefined ? {} : { tool_path: options.tools }),
    ...options.galaxy,
    ...(options.galaxy?.["job_config_file"] === undefined && {
      job_config: options.galaxy?.["job_config"] ?? {
        runners: {
          local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: options.workers ?? 4 },
        },
        handling: { assign: [options.assign ?? "db-skip-locked"] },
        execution: { default: "local", environments: { local: { runner: "local" } } },
        ...options.jobs,
      },
    }),
  };
  const webSection = { http: "127.0.0.1:0", ...options.web };
  // JSON is YAML.
  await writeFile(configFile, JSON.stringify({ web: webSection, galaxy }, undefined, 2));
  const web = startDaemon("web", programs.web, ["-c", configFile]);
  const handlers: Daemon[] = [];
  const galaxyParts = { folder, configFile, database, web, handlers };
  const stop = async () => {
    await Promise.all(handlers.map((handler) => handler.stop()));
    await web.stop();
    await database.drop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const [, address] = await web.line(/web\.listening\b.*?\b(http:\/\/[^\s"]+)/);
    const spawnHandler: Galaxy["spawnHandler"] = (name, pools = ["job-handlers"], env = {}) => {
      const flags = pools.flatMap((pool) => ["--attach-to-pool", pool]);
      const args = ["-c", configFile, "--server-name", name, ...flags];
      const handler = startDaemon(name, programs.handler, args, env);
      handlers.push(handler);
      return handler;
    };
    const startHandler: Galaxy["startHandler"] = async (...parts) => {
      const handler = spawnHandler(...parts);
      await handler.line(/job\.registered/, 40_000);
      return handler;
    };
    for (const name of options.handlers ?? ["handler0"]) await startHandler(name);
    const api: Galaxy["api"] = async (path, request = {}) => {
      const response = await fetch(`${address}${path}`, {
        method: request.method ?? (request.body === undefined ? "GET" : "POST"),
        headers: {
          ...(request.body === undefined ? {} : { "content-type": "application/json" }),
          ...request.headers,
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        signal: AbortSignal.timeout(60_000),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${request.method ?? ""} ${path}: ${response.status} ${text}`);
      return response.headers.get("content-type")?.includes("json") === true ? JSON.parse(text) : text;
    };
    const job: Galaxy["job"] = (id, states, deadline = 60_000) =>
      until(
        async () => {
          const found = await api(`/api/jobs/${id}?full=true`);
          return states.includes(found.state) ? found : undefined;
        },
        { what: `job ${id} to be ${states.join(" or ")}`, deadline },
      );
    return { ...galaxyParts, address: address!, startHandler, spawnHandler, api, job, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
