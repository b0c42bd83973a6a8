import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { answers } from "@galaxy-jobs/handler";
import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import { listHandlers, migrate, type Database, type HandlerRow } from "@galaxy-jobs/shared-db";
import { reloadWebTier } from "../web-reload.ts";
import type { ProcessManager } from "./process-manager.ts";

export interface RollingRestart {
  readonly config: GalaxyConfig;
  readonly database: Database;
  readonly manager: ProcessManager;
  /** What becomes of the web tier: its master starts new workers beside the old ones, the whole of it is restarted, or it is left alone. */
  readonly web: "reload" | "restart" | "skip";
  /** What a process may take to stop and start, ms. */
  readonly patience: number;
  /** Says what is planned, and does nothing. */
  readonly dryRun: boolean;
  readonly tell: (line: string) => void;
}

/** Between two looks at whether a handler is there, ms. */
const interval = 250;

interface Step {
  readonly unit: string;
  readonly act: () => Promise<void>;
}

/**
 * Renews every process of this host without a request refused or a job lost: migrates, reloads the web tier, which goes back to the
 * old workers by itself when the new ones do not start, then restarts one handler after the other, each when the one before has
 * its name and takes jobs of its pools again.
 * @throws Error at the first failure: what was done, what was not, and where to look
 */
export async function rollingRestart(options: RollingRestart): Promise<void> {
  const { database, manager, web, dryRun, tell } = options;
  const webUnit = web === "skip" ? undefined : await manager.web();
  if (web !== "skip" && webUnit === undefined)
    tell("the web tier does not run under this process manager here: left alone");
  const handlers = await manager.handlers();
  if (webUnit === undefined && handlers.length === 0)
    throw new Error("nothing of Galaxy runs under this process manager here");
  for (const unit of handlers) await registered(options, unit, await manager.pid(unit), 0);
  const steps: Step[] = [
    ...(webUnit === undefined ? [] : [{ unit: webUnit, act: () => renewWebTier(options, webUnit) }]),
    ...handlers.map((unit) => ({ unit, act: () => renewHandler(options, unit) })),
  ];
  if (dryRun) {
    tell(`would ${web === "reload" ? "reload" : "restart"} the web tier, then restart in this order:`);
    for (const { unit } of steps) tell(`  ${unit}`);
    return;
  }
  const applied = await migrate(database);
  if (applied.length > 0) tell(`applied ${applied.join(", ")}`);
  await take(options, steps);
}

async function take({ manager, tell }: RollingRestart, steps: readonly Step[]): Promise<void> {
  for (const [index, { unit, act }] of steps.entries()) {
    try {
      await act();
    } catch (error) {
      const names = (some: readonly Step[]) => some.map((step) => step.unit).join(", ") || "nothing";
      throw new Error(
        `stopped at ${unit}: ${error instanceof Error ? error.message : String(error)}\n` +
          `renewed: ${names(steps.slice(0, index))}; not touched: ${names(steps.slice(index + 1))}\n` +
          `Look into ${manager.logOf(unit)}, mend it, and run this again`,
        { cause: error },
      );
    }
    tell(`renewed ${unit}`);
  }
}

async function renewWebTier({ config, manager, web, patience }: RollingRestart, unit: string): Promise<void> {
  if (web === "restart") return manager.restart(unit, patience);
  if (!config.web.tree.hasMaster)
    throw new Error(
      "the web tier has no master that could reload it: set web.master: true; or say --web restart, " +
        "which refuses requests for a moment unless systemd holds the socket; or --web skip",
    );
  await reloadWebTier(config);
}

async function renewHandler(options: RollingRestart, unit: string): Promise<void> {
  const { database, manager, patience, tell } = options;
  const before = await registered(options, unit, await manager.pid(unit), 0);
  const rows = await listHandlers(database);
  const served = before.tags.filter((tag) => rows.some((row) => serves(row, tag)));
  const alone = served.filter(
    (tag) => !rows.some((row) => row.serverName !== before.serverName && serves(row, tag)),
  );
  if (alone.length > 0)
    tell(`only ${before.serverName} serves ${alone.join(", ")}: what is new there waits for it`);
  await manager.restart(unit, patience);
  await registered(options, unit, await manager.pid(unit), patience);
  const now = await listHandlers(database);
  const unserved = served.filter((tag) => !now.some((row) => serves(row, tag)));
  if (unserved.length > 0)
    throw new Error(
      `${before.serverName} runs, but nobody serves ${unserved.join(", ")} any more: see its --attach-to-pool, or its tags in job_conf`,
    );
}

function serves(row: HandlerRow, tag: string): boolean {
  return answers(row) && row.drainTime === null && row.tags.includes(tag);
}

/**
 * The handler of a process of this host, live in the database.
 * @throws Error when there is none after `patience` ms
 */
async function registered(
  { database }: RollingRestart,
  unit: string,
  pid: number,
  patience: number,
): Promise<HandlerRow> {
  const until = performance.now() + patience;
  for (;;) {
    const rows = await listHandlers(database);
    const found = rows.find((row) => row.pid === pid && row.hostname === hostname() && answers(row));
    if (found !== undefined) return found;
    if (performance.now() > until)
      throw new Error(
        `${unit} (pid ${pid}) is not among the live handlers of this database: is it one of another galaxy.yml, or still starting?`,
      );
    await sleep(interval);
  }
}
