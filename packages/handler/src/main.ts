import {
  commandLine,
  daemonOptions,
  poolOption,
  runDaemon,
  tellMaster,
  type DaemonArguments,
  type DaemonContext,
  type GalaxyConfig,
  type Fault,
} from "@galaxy-jobs/runtime";
import { handlerTags } from "./assignment/process-role.ts";
import { whyUnreached } from "./assignment/unreached.ts";
import { armFault } from "./fault-points.ts";
import { checkRules } from "./destinations/check-rules.ts";
import { JobHandler } from "./job-handler.ts";
import { Maintenance } from "./maintenance/maintenance.ts";
import { takeMessages, type MuleChannel } from "./mule-messages.ts";
import { openInstance } from "./open-instance.ts";
import { release } from "./release.ts";
import { letYoungGenerationGrow } from "./young-generation.ts";

const parser = poolOption(daemonOptions(commandLine("galaxy-handler", process.argv.slice(2))))
  .usage("$0 [options]\n\nA job handler: takes jobs of its pools from the database and runs them.")
  .example("$0 -c config/galaxy.yml --server-name handler0 --attach-to-pool job-handlers", "untagged jobs")
  .example(
    "$0 --server-name handler1 --attach-to-pool job-handlers.special --daemonize",
    "jobs of the tag special",
  )
  .version(release);

await runDaemon({
  name: "galaxy-handler",
  arguments: (await parser.parse()) as unknown as DaemonArguments,
  check: checkHandler,
  main,
});

async function main(context: DaemonContext): Promise<void> {
  const { config, logger } = context;
  const { database, tools } = await openInstance(context, "galaxy-handler", { toolsApart: true });
  const idle = context.isChild ? undefined : whyUnreached(config);
  if (idle !== undefined) logger.warn("handler.unreached", { reason: idle });
  const handler = new JobHandler({
    config,
    database,
    toolBox: () => tools,
    logger,
    tags: handlerTags(config),
    onLeaseLost: (error) => context.end(1, error.message),
    fault: armFault(process.env["GALAXY_FAULT_POINT"], process.env["GALAXY_FAULT_ACTION"]),
  });
  await context.run(handler);
  await context.run(new Maintenance({ config, database, logger }));
  letYoungGenerationGrow();
  if (context.isChild) await serveAsMule(context, handler);
}

/** Started by the master of a web tier: it takes messages, and ends with its master. */
async function serveAsMule(context: DaemonContext, handler: JobHandler): Promise<void> {
  process.once("disconnect", () => context.end(0, "the master has gone"));
  if (!process.connected) return context.end(0, "the master has gone");
  takeMessages(muleChannel(), handler, context.logger);
  await tellMaster({ type: "ready", serverName: context.config.serverName });
}

/** A handler that listens to nothing is a mistake: it would idle for ever. Rules that are not there are another. */
async function checkHandler(config: GalaxyConfig): Promise<Fault[]> {
  const faults: Fault[] = config.attachToPools
    .filter((pool) => pool !== "job-handlers" && !/^job-handlers\.[^.\s]+$/.test(pool))
    .map((pool) => ({
      key: "--attach-to-pool",
      message: `${pool} is not a pool of job handlers`,
      remedy: "write job-handlers, or job-handlers.TAG",
    }));
  const defined = config.jobs.handlers.some(({ id }) => id === config.serverName);
  if (config.attachToPools.length === 0 && !defined) {
    faults.push({
      key: "--attach-to-pool",
      message: `the handler ${config.serverName} belongs to no pool and job_conf does not define it: it would get no jobs`,
      remedy: "add --attach-to-pool job-handlers, or define it under handling.processes",
    });
  }
  return [...faults, ...(await checkRules(config))];
}

function muleChannel(): MuleChannel {
  return {
    on: (event, listener) => process.on(event, listener),
    // Without a parent any more, there is nobody to tell.
    send: (receipt) => void process.send?.(receipt, undefined, undefined, () => undefined),
  };
}
