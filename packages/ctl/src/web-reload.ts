import path from "node:path";
import { askSocket, controlSocketPath, PidFile, type GalaxyConfig } from "@galaxy-jobs/runtime";

/** What a reload may take on top of the mercy of the old processes, ms. */
const START = 300_000;

/**
 * New processes of the web tier from the code and configuration on disk; resolves when they serve.
 * @returns what came of it, in words
 * @throws Error when the new ones did not start: the old ones go on then
 */
export async function reloadWebTier(config: GalaxyConfig): Promise<string> {
  const { workerMercy, muleMercy } = config.web.tree;
  const answer = await askSocket(
    controlSocketPath(config),
    { ask: "reload" },
    START + (workerMercy + muleMercy) * 1000,
  );
  if (answer === undefined) return hangUp(config);
  if (typeof answer["failure"] === "string") throw new Error(`the reload failed: ${answer["failure"]}`);
  return "reloaded";
}

/** A master without its control socket hears the signal all the same; how it went is in its log. */
function hangUp(config: GalaxyConfig): string {
  const file = config.web.pidFile?.file ?? path.join(config.rootDirectory, `${config.serverName}.pid`);
  const holder = config.web.tree.hasMaster ? PidFile.holder(file) : undefined;
  if (holder === undefined) throw notRunning(config);
  process.kill(holder.pid, "SIGHUP");
  return `told pid ${holder.pid} to reload; its log says how it goes`;
}

export function notRunning(config: GalaxyConfig): Error {
  return new Error(
    `no web tier of ${config.file ?? "the default configuration"} with a master runs here: nobody listens on ${
      config.web.tree.zergPool?.control.path ?? controlSocketPath(config)
    }`,
  );
}
