import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { askSocket, controlSocketPath } from "@galaxy-jobs/runtime";
import type { Argv } from "yargs";
import { printRows } from "../output.ts";
import { configOf, type CommonArguments } from "../session.ts";
import { notRunning, reloadWebTier } from "../web-reload.ts";

/** An answer that needs no work, ms. */
const SOON = 10_000;

export function webCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command("status", "Processes of the web tier, or generations of a zerg pool", {}, (args) =>
      status(args as CommonArguments),
    )
    .command(
      "reload",
      "New processes from the code and configuration on disk; no request fails. Waits until they serve",
      {},
      (args) => reload(args as CommonArguments),
    )
    .command(
      "attach <folder>",
      "Start the release in the folder as the next zerg generation; waits until the pool prefers it",
      (command) =>
        command.positional("folder", { type: "string", demandOption: true, describe: "Of the release" }),
      (args) => attach(args as unknown as CommonArguments & { folder: string }),
    )
    .demandCommand(1, "web: say status, reload or attach");
}

interface ProcessRow {
  readonly kind: string;
  readonly serverName: string;
  readonly pid?: number;
  readonly status: string;
  readonly respawns?: number;
  readonly requests?: number;
  readonly open?: number;
  readonly rss: number;
}

interface GenerationRow {
  readonly number: number;
  readonly pid: number;
  readonly phase: string;
  readonly preferred: boolean;
  readonly brought: number;
  readonly release: string;
  readonly directory: string;
}

async function status(args: CommonArguments): Promise<void> {
  const config = configOf(args);
  const { zergPool } = config.web.tree;
  const state = await askSocket(zergPool?.control.path ?? controlSocketPath(config), { ask: "state" }, SOON);
  if (state === undefined) throw notRunning(config);
  if (args.json === true) process.stdout.write(`${JSON.stringify(state, undefined, 2)}\n`);
  else if (zergPool === undefined) printTree(state);
  else printPool(state);
}

function printTree(state: Record<string, unknown>): void {
  const rowsOf = (kind: string, children: unknown): ProcessRow[] =>
    (children as Omit<ProcessRow, "kind">[]).map((child) => ({ kind, ...child }));
  const master = {
    kind: "master",
    serverName: String(state["serverName"]),
    pid: Number(state["masterPid"]),
    status: String(state["phase"]),
    rss: Number(state["masterRss"]),
  };
  printRows<ProcessRow>(
    [master, ...rowsOf("worker", state["workers"]), ...rowsOf("mule", state["mules"])],
    [
      { title: "kind", value: ({ kind }) => kind },
      { title: "server name", value: ({ serverName }) => serverName },
      { title: "pid", value: ({ pid }) => pid },
      { title: "status", value: (row) => row.status },
      { title: "starts", value: ({ respawns }) => respawns },
      { title: "requests", value: ({ requests }) => requests },
      { title: "connections", value: ({ open }) => open },
      { title: "MB", value: ({ rss }) => Math.round(rss / 1024 ** 2) },
    ],
    false,
  );
  const { reloadFailure } = state;
  if (typeof reloadFailure === "string") process.stdout.write(`the last reload failed: ${reloadFailure}\n`);
}

function printPool(state: Record<string, unknown>): void {
  printRows<GenerationRow>(
    state["generations"] as GenerationRow[],
    [
      { title: "generation", value: ({ number }) => number },
      { title: "pid", value: ({ pid }) => pid },
      { title: "phase", value: ({ phase, preferred }) => (preferred ? "preferred" : phase) },
      { title: "connections so far", value: ({ brought }) => brought },
      { title: "release", value: ({ release }) => release },
      { title: "folder", value: ({ directory }) => directory },
    ],
    false,
  );
}

async function reload(args: CommonArguments): Promise<void> {
  process.stdout.write(`${await reloadWebTier(configOf(args))}\n`);
}

async function attach(args: CommonArguments & { folder: string }): Promise<void> {
  const folder = path.resolve(args.folder);
  const own = [path.join(folder, "config", "galaxy.yml"), path.join(folder, "galaxy.yml")].find((file) =>
    existsSync(file),
  );
  const configFile = args.configFile ?? own;
  const config = configOf({ configFile });
  const { zerg } = config.web.tree;
  if (zerg === undefined || configFile === undefined)
    throw new Error(
      `${configFile ?? folder}: there is no web.zerg: it names the control socket of the pool to attach to`,
    );
  const program = programOf(folder);
  const pidFile = path.join(config.dataDirectory, `${config.serverName}.${Date.now()}.pid`);
  const flags = ["-c", path.resolve(configFile), "--daemonize", "--pid-file", pidFile];
  // It returns when the pool has accepted it, or it could not start.
  const child = spawn(process.execPath, [program, ...flags], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`the release in ${folder} did not start; the one before goes on`);
  const state = await askSocket(zerg, { ask: "state" }, SOON);
  const generations = (state?.["generations"] ?? []) as GenerationRow[];
  const preferred = generations.find((generation) => generation.preferred);
  if (preferred?.directory !== config.rootDirectory)
    throw new Error(`the pool prefers ${preferred?.directory ?? "no release"} to ${config.rootDirectory}`);
  process.stdout.write(`generation ${preferred.number} has the connections now (pid ${preferred.pid})\n`);
}

function programOf(folder: string): string {
  const candidates = [
    path.join(folder, "packages", "web", "bin", "galaxy-web.js"),
    path.join(folder, "node_modules", "@galaxy-jobs", "web", "bin", "galaxy-web.js"),
  ];
  const found = candidates.find((file) => existsSync(file));
  if (found === undefined)
    throw new Error(`${folder} has no release: looked for ${candidates.join(" and ")}`);
  return found;
}
