import { mkdir, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { askSocket, processStartTime } from "@galaxy-jobs/runtime";
import type { JobRow } from "@galaxy-jobs/shared-db";
import type { TreeState } from "@galaxy-jobs/web";
import { createDatabase, type TestDatabase } from "./database.ts";
import { programs, startDaemon, type Daemon } from "./galaxy.ts";
import { traversableFolder } from "./servers.ts";
import { until } from "./until.ts";

/** Real processes on a busy machine take their time, ms. */
export const patience = 60_000;

export interface TreePlan {
  /** The section `web:`; the address is 127.0.0.1 with a free port unless it says otherwise. */
  readonly web?: Record<string, unknown>;
  readonly galaxy?: Record<string, unknown>;
  readonly jobConf?: Record<string, unknown>;
  /** Webless handlers to start: their pools by their names; no pools: job_conf defines the handler. */
  readonly webless?: Readonly<Record<string, readonly string[]>>;
}

/** A site with a web tier of several processes, in a folder and on a database of its own. */
export interface WebTree {
  readonly folder: string;
  readonly configFile: string;
  readonly database: TestDatabase;
  readonly master: Daemon;
  readonly address: string;
  /** What the master says of its tree; undefined while there is none. */
  state(): Promise<TreeState | undefined>;
  /** The process ids of workers and mules. */
  children(): Promise<number[]>;
  /** Waits until every place has a ready process. */
  whole(): Promise<TreeState>;
  /** Submits a job through the API. @returns its row's id */
  submit(toolId: string): Promise<number>;
  row(id: number): Promise<JobRow>;
  /** Waits until the job is in one of the states. */
  job(id: number, ...states: string[]): Promise<JobRow>;
  /** Lets the jobs of `gated` go on. */
  openGate(): Promise<void>;
  /** The configuration anew, e.g. before a reload. */
  configure(plan: TreePlan): Promise<void>;
  /** Starts the web tier (again). */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a web tier and the webless handlers of the plan. The tools are `short`, `gated` and, to be mapped, `special`. */
export async function startTree(plan: TreePlan): Promise<WebTree> {
  const database = await createDatabase();
  const folder = await traversableFolder("galaxy-test-tree-");
  const configFile = join(folder, "galaxy.yml");
  const gate = join(folder, "gate");
  await makeTools(folder, gate);
  const configure = ({ web, galaxy, jobConf }: TreePlan) =>
    writeFile(
      configFile,
      JSON.stringify({
        web: { http: "127.0.0.1:0", ...web },
        galaxy: {
          database_connection: database.url,
          single_user: "tester@example.org",
          tool_path: join(folder, "tools"),
          job_handler_monitor_sleep: 0.2,
          ...galaxy,
          ...(jobConf === undefined ? {} : { job_config: jobConf }),
        },
      }),
    );
  await configure(plan);
  const webless: Daemon[] = [];
  let master: Daemon | undefined;
  let address = "";

  const state = async () =>
    (await askSocket(join(folder, "database", "main.web.sock"), { ask: "state" }, 20_000).catch(
      () => undefined,
    )) as TreeState | undefined;
  const row = async (id: number) => (await database.sql<JobRow[]>`select * from job where id = ${id}`)[0]!;
  const start = async () => {
    master = startDaemon("web", programs.web, ["-c", configFile, "--log-level", "debug"]);
    const [, found] = await master.line(/web\.listening\b.*?\b(http:\/\/[^\s"]+)/, patience);
    address = found!;
    await master.line(/daemon\.ready server=main( |$)/, patience);
  };
  const stop = async () => {
    await writeFile(gate, "");
    await Promise.all(webless.map((handler) => handler.stop()));
    await master?.stop();
    await database.drop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const tree: WebTree = {
    folder,
    configFile,
    database,
    get master() {
      return master!;
    },
    get address() {
      return address;
    },
    state,
    children: async () => pidsOf(await state()),
    whole: () =>
      until(
        async () => {
          const found = await state();
          const places = [...(found?.workers ?? []), ...(found?.mules ?? [])];
          const isWhole = places.every(({ status, pid }) => isServing(status) && isLiving(pid));
          return found !== undefined && isWhole && found.phase === "running" ? found : undefined;
        },
        { what: "the whole tree", deadline: patience, every: 100 },
      ),
    async submit(toolId) {
      const response = await fetch(`${address}/api/tools`, {
        method: "POST",
        headers: { "content-type": "application/json", connection: "close" },
        body: JSON.stringify({ tool_id: toolId, inputs: {} }),
        signal: AbortSignal.timeout(30_000),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`submit ${toolId}: ${response.status} ${text}`);
      const [newest] = await database.sql<{ id: number }[]>`
        select id from job where tool_id = ${toolId} order by id desc limit 1`;
      return newest!.id;
    },
    row,
    job: (id, ...states) =>
      until(
        async () => {
          const found = await row(id);
          return states.includes(found.state) ? found : undefined;
        },
        { what: `job ${id} to be ${states.join(" or ")}`, deadline: patience, every: 50 },
      ),
    openGate: () => writeFile(gate, ""),
    configure,
    start,
    stop,
  };
  try {
    await start();
    for (const [name, pools] of Object.entries(plan.webless ?? {})) {
      const flags = pools.flatMap((pool) => ["--attach-to-pool", pool]);
      const handler = startDaemon(name, programs.handler, [
        "-c",
        configFile,
        "--server-name",
        name,
        ...flags,
      ]);
      webless.push(handler);
      await handler.line(/daemon\.ready/, patience);
    }
    return tree;
  } catch (error) {
    await stop();
    throw error;
  }
}

export function pidsOf(state: TreeState | undefined): number[] {
  return [...(state?.workers ?? []), ...(state?.mules ?? [])].flatMap(({ pid }) => pid ?? []);
}

export function isLiving(pid: number | undefined): boolean {
  return pid !== undefined && processStartTime(pid) !== undefined;
}

/** The status of a request on a connection of its own. */
export function freshStatus(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: patience }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    request.once("error", reject);
    request.once("timeout", () => request.destroy(new Error(`${url} gave no answer in ${patience} ms`)));
  });
}

/** Waits until none of the processes lives. */
export async function gone(pids: readonly number[]): Promise<void> {
  await until(() => pids.every((pid) => !isLiving(pid)), {
    what: `the end of ${pids.join(", ")}`,
    deadline: patience,
    every: 50,
  });
}

function isServing(status: string): boolean {
  return status === "idle" || status === "busy";
}

async function makeTools(folder: string, gate: string): Promise<void> {
  await mkdir(join(folder, "tools"));
  const tools = {
    short: "true",
    special: "true",
    gated: `while [ -d '${folder}' ] && [ ! -e '${gate}' ]; do sleep 0.05; done`,
  };
  for (const [id, command] of Object.entries(tools))
    await writeFile(
      join(folder, "tools", `${id}.yml`),
      `class: GalaxyUserTool\nid: ${id}\nname: ${id}\nversion: "1.0"\nshell_command: |\n  ${command}\ninputs: []\noutputs: []\n`,
    );
}
