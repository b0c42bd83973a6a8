import { fileURLToPath } from "node:url";
import type { GalaxyConfig } from "@galaxy-jobs/runtime";
import type { ChildPlan } from "./child-handle.ts";
import type { Place } from "./place.ts";

export interface ProgramPaths {
  readonly worker: string;
  readonly mule: string;
}

/** The programs of the children, as they are on disk; neither is loaded here. */
export function childPrograms(): ProgramPaths {
  return {
    worker: fileURLToPath(new URL("../worker.js", import.meta.url)),
    // A mule is a handler with a channel.
    mule: fileURLToPath(new URL("./main.js", import.meta.resolve("@galaxy-jobs/handler"))),
  };
}

export interface ChildSurroundings {
  readonly config: GalaxyConfig;
  readonly programs: ProgramPaths;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string | undefined;
}

/** How the next child of a place is started. It reads the configuration itself, as it is on disk then. */
export function planChild(
  place: Place,
  generation: number,
  awaitsName: boolean,
  { config, programs, env, logFile }: ChildSurroundings,
): ChildPlan {
  const args = [
    "--server-name",
    place.serverName,
    "--log-level",
    config.log.level,
    "--log-format",
    config.log.format,
  ];
  if (config.file !== undefined) args.push("-c", config.file);
  if (logFile !== undefined) args.push("--log-file", logFile);
  if (place.farm !== undefined) args.push("--attach-to-pool", place.farm);
  if (place.kind === "worker" && awaitsName) args.push("--awaits-name");
  return {
    kind: place.kind,
    serverName: place.serverName,
    generation,
    program: programs[place.kind],
    args,
    env,
  };
}

/** Names follow galaxy.md 1.3: `main.web.1`; `main.job-handlers.2`, its place in the farm. */
export function workerName(serverName: string, number: number): string {
  return `${serverName}.web.${number}`;
}

export function muleName(serverName: string, farm: string, place: number): string {
  return `${serverName}.${farm}.${place}`;
}
