import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Absent } from "./bench.ts";

const packages = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "packages");
const programs = {
  web: join(packages, "web", "bin", "galaxy-web.js"),
  handler: join(packages, "handler", "bin", "galaxy-handler.js"),
};

/** How an instance is deployed. */
export interface Strategy {
  readonly name: string;
  /** Options of the section `web:`. */
  readonly web: Readonly<Record<string, unknown>>;
  /** `handling` of job_conf. */
  readonly handling: Readonly<Record<string, unknown>>;
  /** Webless handlers, by server name. */
  readonly handlers: readonly string[];
  /** Jobs at once in each handler; default 2. */
  readonly workers?: number;
  /** `limits` of job_conf. */
  readonly limits?: readonly Readonly<Record<string, unknown>>[];
  /** Seen in the log of galaxy-web when its handlers are there; a build without them is not measured. */
  readonly handlersStarted?: RegExp;
}

export interface Instance {
  readonly address: string;
  stop(): Promise<void>;
}

/** An instance with a database of its own and one tool, `noop`, whose job is over at once. */
export async function startInstance(strategy: Strategy): Promise<Instance> {
  const folder = await mkdtemp(join(tmpdir(), "galaxy-bench-"));
  // The embedded PostgreSQL of root runs as another user.
  await chmod(folder, 0o755);
  const programsRunning: Running[] = [];
  const stop = async () => {
    for (const program of programsRunning.toReversed()) await program.end();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const config = await writeConfig(folder, strategy);
    const web = start("web", ["-c", config]);
    programsRunning.push(web);
    const [, address] = (await web.line(/web\.listening\b.*?\b(http:\/\/[^\s"]+)/, 60_000)) ?? [];
    if (address === undefined) throw new Error(`galaxy-web did not start:\n${web.lines.join("\n")}`);
    if (
      strategy.handlersStarted !== undefined &&
      (await web.line(strategy.handlersStarted, 15_000)) === undefined
    )
      throw new Absent("galaxy-web started no such handlers");
    for (const name of strategy.handlers) {
      const args = ["-c", config, "--server-name", name, "--attach-to-pool", "job-handlers"];
      const handler = start("handler", args);
      programsRunning.push(handler);
      if ((await handler.line(/job\.registered/, 60_000)) === undefined)
        throw new Error(`${name} did not start:\n${handler.lines.join("\n")}`);
    }
    return { address, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function writeConfig(folder: string, strategy: Strategy): Promise<string> {
  await mkdir(join(folder, "tools"));
  await writeFile(
    join(folder, "tools", "noop.yml"),
    'class: GalaxyUserTool\nid: noop\nname: noop\nversion: "1.0"\nshell_command: "true"\ninputs: []\noutputs: []\n',
  );
  const config = join(folder, "galaxy.yml");
  const galaxy = {
    data_dir: join(folder, "database"),
    tool_path: join(folder, "tools"),
    single_user: "bench@example.org",
    admin_users: "bench@example.org",
    job_config: {
      runners: {
        local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: strategy.workers ?? 2 },
      },
      handling: strategy.handling,
      execution: { default: "local", environments: { local: { runner: "local" } } },
      limits: strategy.limits ?? [],
    },
  };
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ web: { http: "127.0.0.1:0", ...strategy.web }, galaxy }));
  return config;
}

export interface Running {
  readonly pid: number;
  readonly lines: readonly string[];
  /** @returns undefined if no line matches in time */
  line(pattern: RegExp, deadline: number): Promise<RegExpExecArray | undefined>;
  end(): Promise<void>;
}

/** Starts a program of this release. */
export function start(program: keyof typeof programs, args: readonly string[]): Running {
  const child: ChildProcess = spawn(process.execPath, [programs[program], ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  const look = () => {
    for (const watcher of watchers) watcher();
  };
  for (const stream of [child.stdout!, child.stderr!])
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      look();
    });
  const ended = once(child, "close").then(look);
  return {
    pid: child.pid!,
    lines,
    line: (pattern, deadline) =>
      new Promise((resolve) => {
        const settle = (match: RegExpExecArray | undefined) => {
          clearTimeout(timer);
          watchers.delete(watcher);
          resolve(match);
        };
        const watcher = () => {
          for (const line of lines) {
            const match = pattern.exec(line);
            if (match !== null) return settle(match);
          }
          if (child.exitCode !== null) settle(undefined);
        };
        const timer = setTimeout(() => settle(undefined), deadline);
        watchers.add(watcher);
        watcher();
      }),
    async end() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
