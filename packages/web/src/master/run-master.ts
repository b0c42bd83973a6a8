import { loadGalaxyConfig, type DaemonContext, type LoadOptions } from "@galaxy-jobs/runtime";
import { Attachment } from "../zerg/attachment.ts";
import { childPrograms } from "./child-plan.ts";
import { ControlSocket } from "./control-socket.ts";
import type { ListeningSockets } from "./listening-sockets.ts";
import { Master } from "./master.ts";
import { StatsServer } from "./stats-server.ts";

export interface MasterSurroundings {
  readonly sockets: ListeningSockets;
  readonly release: string;
  /** For the children. */
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string | undefined;
  /** How the configuration was read, to read it again. */
  readonly load: LoadOptions;
}

/** A web tier with a master. Nothing that is imported here loads the application. */
export async function runMaster(
  context: DaemonContext,
  { sockets, release, env, logFile, load }: MasterSurroundings,
): Promise<void> {
  const { config, logger } = context;
  const { zerg } = config.web.tree;
  const master = new Master({
    config,
    logger,
    sockets,
    release,
    env,
    logFile,
    programs: childPrograms(),
    takesOver: zerg !== undefined,
    reread: () => loadGalaxyConfig(load),
  });
  context.onForce(() => master.killAll());
  context.onSignal((meaning) => {
    if (meaning === "reload") void master.reload();
    if (meaning === "reopen-logs") master.reopenLogs();
    if (meaning === "more-workers") master.resize(1);
    if (meaning === "fewer-workers") master.resize(-1);
  });
  sockets.serve((listener, socket) => master.router.route(listener, socket));
  await context.run(master);
  for (const { shown } of sockets.list) logger.info("web.listening", { address: shown });
  await context.run(
    new ControlSocket(config, logger, {
      state: () => master.state(),
      reload: async () => ({ failure: (await master.reload()) ?? null, ...master.state() }),
    }),
  );
  if (config.web.stats !== undefined)
    await context.run(new StatsServer({ address: config.web.stats, state: () => master.state(), logger }));
  if (zerg !== undefined)
    await context.run(
      new Attachment({
        pool: zerg,
        sockets,
        logger,
        release,
        directory: config.rootDirectory,
        onDrain: () => context.end(0, "a newer generation has taken over"),
      }),
    );
}
