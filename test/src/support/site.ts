import { fork } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  findToolMapping,
  HandlerAssigner,
  isWebHandler,
  handlerTags,
  JobHandler,
  type Assignment,
  type MuleMessages,
} from "@galaxy-jobs/handler";
import {
  childMark,
  Farm,
  isFarmReceipt,
  loadGalaxyConfig,
  silentLogger,
  type GalaxyConfig,
} from "@galaxy-jobs/runtime";
import { ensureDefaultHistory, ensureUser, insertJob, type JobRow } from "@galaxy-jobs/shared-db";
import { loadToolBox } from "@galaxy-jobs/tools";
import { createDatabase, type TestDatabase } from "./database.ts";
import { programs, startDaemon, watch, type Daemon } from "./galaxy.ts";
import { traversableFolder } from "./servers.ts";
import { until } from "./until.ts";

export interface HandlerPlan {
  readonly name: string;
  /** Tags in job_conf; undefined: job_conf does not know the handler. */
  readonly tags?: readonly string[];
  /** Pools it attaches to on its command line. */
  readonly pools?: readonly string[];
  /** Started as a mule, with a channel, and a member of these farms. */
  readonly farms?: readonly string[];
}

/** A site without its web server: this process creates the jobs as a web worker does, real handler processes run them. */
export interface Site {
  readonly config: GalaxyConfig;
  readonly database: TestDatabase;
  readonly farms: ReadonlyMap<string, Farm>;
  readonly warnings: readonly string[];
  assign(toolId: string): Promise<Assignment>;
  /** Creates a job of a tool. @returns its row's id */
  submit(toolId: string, options?: { user?: string; committed?: boolean }): Promise<number>;
  start(handler: string): Promise<Daemon>;
  /** Ends a handler and forgets it. */
  end(handler: string, signal: NodeJS.Signals): Promise<void>;
  /** Waits for the end of jobs. */
  ended(ids: readonly number[], deadline?: number): Promise<JobRow[]>;
  /** The numbers of the jobs that ran, as their processes wrote them. */
  runs(): Promise<number[]>;
  /** Starts and ends of jobs of gated tools, in the order in which they happened. */
  spans(): Promise<Span[]>;
  /** Lets the jobs of gated tools go on, those that run and those to come. */
  openGate(): Promise<void>;
  stop(): Promise<void>;
}

export interface Span {
  readonly what: "start" | "end";
  readonly job: number;
}

/** It sleeps; or, if it is gated, waits for `openGate`; or does what its own command says. */
export interface SiteTool {
  readonly id: string;
  readonly seconds?: number;
  readonly gated?: boolean;
  /** Lines of shell. */
  readonly command?: string;
  readonly outputs?: readonly Record<string, unknown>[];
}

export interface SitePlan {
  readonly handlers: readonly HandlerPlan[];
  readonly jobConf: Record<string, unknown>;
  /** Tools of the site; each appends its job's number to the record. */
  readonly tools: readonly SiteTool[];
  /** Modules of job_rules_directory by file name. */
  readonly rules?: Readonly<Record<string, string>>;
  readonly galaxy?: Record<string, unknown>;
}

export async function makeSite(plan: SitePlan): Promise<Site> {
  const database = await createDatabase();
  const folder = await traversableFolder("galaxy-test-site-");
  const record = join(folder, "record");
  await mkdir(join(folder, "tools"));
  await writeFile(record, "");
  const gate = join(folder, "gate");
  const spans = join(folder, "spans");
  await writeFile(spans, "");
  for (const { id, seconds, gated = false, command: own, outputs = [] } of plan.tools) {
    const command = gated
      ? gatedCommand(record, spans, gate)
      : `dirname "$PWD" >> '${record}'; ${own ?? `sleep ${seconds ?? 0}`}`;
    await writeFile(join(folder, "tools", `${id}.yml`), tool(id, command, outputs));
  }
  if (plan.rules !== undefined) await mkdir(join(folder, "rules"));
  for (const [name, text] of Object.entries(plan.rules ?? {}))
    await writeFile(join(folder, "rules", name), text);
  const configFile = join(folder, "galaxy.yml");
  const galaxy = {
    database_connection: database.url,
    single_user: "tester@example.org",
    tool_path: join(folder, "tools"),
    job_handler_monitor_sleep: 0.1,
    ...plan.galaxy,
    job_config: plan.jobConf,
  };
  await writeFile(configFile, JSON.stringify({ galaxy }, undefined, 2));
  const config = loadGalaxyConfig({ file: configFile, env: {}, serverName: "main" });
  const tools = await loadToolBox(config.toolPaths);
  const farms = new Map<string, Farm>();
  for (const name of plan.handlers.flatMap(({ farms: names = [] }) => names))
    if (!farms.has(name)) farms.set(name, new Farm(name));
  const mules: MuleMessages | undefined =
    farms.size === 0
      ? undefined
      : {
          hasFarm: (pool) => farms.has(pool),
          send: (pool, message) => farms.get(pool)!.send(message),
        };
  const own = isWebHandler(config, farms.size > 0)
    ? new JobHandler({
        config,
        database: database.sql,
        toolBox: () => tools,
        logger: silentLogger,
        tags: handlerTags(config),
        onLeaseLost: (error) => {
          throw error;
        },
      })
    : undefined;
  await own?.start();
  const warnings: string[] = [];
  const assigner = new HandlerAssigner({
    config,
    database: database.sql,
    self: own === undefined ? undefined : (id) => void own.take(id),
    mules,
    warn: (message) => warnings.push(message),
  });
  const running = new Map<string, Daemon>();

  const start = async (name: string) => {
    const { pools = [], farms: memberships } = plan.handlers.find((handler) => handler.name === name)!;
    const args = ["-c", configFile, "--server-name", name];
    for (const pool of pools) args.push("--attach-to-pool", pool);
    let daemon: Daemon;
    if (memberships === undefined) {
      daemon = startDaemon(name, programs.handler, args);
      await daemon.line(/job\.registered/);
    } else {
      const child = fork(programs.handler, args, {
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        env: { ...process.env, ...childMark },
      });
      daemon = watch(name, child);
      await daemon.line(/job\.registered/);
      const member = { name, send: (envelope: object) => void child.send(envelope) };
      for (const farm of memberships) farms.get(farm)!.add(member);
      child.on("message", (message) => {
        if (isFarmReceipt(message)) for (const farm of farms.values()) farm.received(member, message);
      });
      child.on("exit", () => memberships.forEach((farm) => farms.get(farm)!.remove(member)));
    }
    running.set(name, daemon);
    return daemon;
  };

  return {
    config,
    database,
    farms,
    warnings,
    assign: (toolId) => assigner.assign({ id: toolId, version: "1.0" }),
    start,
    async submit(toolId, { user = "tester@example.org", committed = true } = {}) {
      const assignment = await assigner.assign({ id: toolId, version: "1.0" });
      const owner = await ensureUser(database.sql, user);
      const history = await ensureDefaultHistory(database.sql, owner.id);
      const {
        job: { id },
      } = await insertJob(database.sql, {
        userId: owner.id,
        historyId: history.id,
        toolId,
        toolVersion: "1.0",
        galaxyVersion: "test",
        params: {},
        handler: assignment.handler,
        assignedHandler: assignment.assignedHandler,
        assignedTag: assignment.assignedTag ?? null,
        priority: findToolMapping(config.jobs, { id: toolId, version: "1.0" })?.priority,
        inputs: [],
        outputs: [],
      });
      if (committed) assignment.committed?.(id);
      return id;
    },
    async end(name, signal) {
      const daemon = running.get(name)!;
      running.delete(name);
      await daemon.stop(signal);
    },
    ended: (ids, deadline = 30_000) =>
      until(
        async () => {
          const rows = await database.sql<JobRow[]>`
            select * from job where id = any(${database.sql.array([...ids], 20)}) order by id`;
          return rows.every(({ state }) => ["ok", "error", "deleted", "paused"].includes(state))
            ? rows
            : undefined;
        },
        { what: `jobs ${ids.join(", ")} to end`, deadline, every: 50 },
      ),
    runs: async () => (await linesOf(record)).map(jobOf),
    spans: async () =>
      (await linesOf(spans)).map((line) => ({
        what: line.startsWith("start ") ? "start" : "end",
        job: jobOf(line),
      })),
    openGate: () => writeFile(gate, ""),
    async stop() {
      await writeFile(gate, "");
      await Promise.all([...running.values()].map((daemon) => daemon.stop()));
      await own?.stop();
      await database.drop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function linesOf(file: string): Promise<string[]> {
  return (await readFile(file, "utf8")).split("\n").filter(Boolean);
}

/** The number of its job is in the name of the run directory, which is the working directory's parent. */
function jobOf(runDirectory: string): number {
  return Number(basename(runDirectory).split(".")[0]);
}

/** The lock makes the order of the lines that of the events. */
function gatedCommand(record: string, spans: string, gate: string): string {
  // Not $(...), which in a tool's command is an expression. A line is written at once: somebody may be reading.
  const write = (what: string) =>
    `flock '${spans}' sh -c 'dirname "$PWD" | sed "s/^/${what} /" >> "${spans}"'`;
  return `dirname "$PWD" >> '${record}'; ${write("start")}; while [ -e '${spans}' ] && [ ! -e '${gate}' ]; do sleep 0.05; done; sleep 0.05; ${write("end")}`;
}

function tool(id: string, command: string, outputs: readonly Record<string, unknown>[]): string {
  return `class: GalaxyUserTool
id: ${id}
name: ${id}
version: "1.0"
shell_command: |
  ${command.replaceAll("\n", "\n  ")}
inputs: []
outputs: ${JSON.stringify(outputs)}
`;
}
