import fs from "node:fs";
import path from "node:path";
import {
  dropPrivileges,
  findAccount,
  shownAddress,
  type GalaxyConfig,
  type ListenerSpec,
} from "@galaxy-jobs/runtime";
import { ListeningSockets } from "./listening-sockets.ts";
import { passedSockets, specOfPassed } from "./socket-activation.ts";

/**
 * What a web tier does first, maybe as root: takes or binds its sockets, then becomes the account of `uid` and `gid`, then goes
 * to `chdir`.
 * @param env its systemd variables are removed; HOME and USER become the account's
 * @param logFile is made the account's, which has to open it
 * @throws Error that names what cannot be had
 */
export async function prepareListening(
  config: GalaxyConfig,
  env: NodeJS.ProcessEnv,
  logFile: string | undefined,
): Promise<ListeningSockets> {
  const { tree } = config.web;
  const wantsAccount = tree.uid !== undefined || tree.gid !== undefined;
  const account = wantsAccount ? findAccount(tree.uid, tree.gid) : undefined;
  const sockets = new ListeningSockets(tree.backlog);
  try {
    await sockets.bind(await listenersOf(config, env, sockets));
    if (account !== undefined) {
      if (logFile !== undefined && process.getuid!() === 0) giveLog(logFile, account);
      dropPrivileges(account);
      Object.assign(env, { USER: account.name, LOGNAME: account.name, HOME: account.home });
    }
    if (tree.chdir !== undefined) process.chdir(tree.chdir);
  } catch (error) {
    sockets.close();
    throw error;
  }
  return sockets;
}

/** The listeners that are still to be bound. */
async function listenersOf(
  config: GalaxyConfig,
  env: NodeJS.ProcessEnv,
  sockets: ListeningSockets,
): Promise<ListenerSpec[]> {
  const { listeners, hasDefaultListener, tree } = config.web;
  if (tree.zergPool !== undefined) return poolListeners(tree.zergPool);
  if (tree.zerg !== undefined) return [privateListener(tree.zerg)];
  const passed = passedSockets(env, process.pid);
  if (passed.length === 0) return [...listeners];
  // With passed sockets there is no default address.
  const left = new Set(hasDefaultListener ? [] : listeners);
  for (const socket of passed)
    await sockets.adopt(socket.fd, (bound) => specOfPassed(socket, bound, listeners, left));
  return [...left];
}

function poolListeners({
  control,
  addresses,
}: NonNullable<GalaxyConfig["web"]["tree"]["zergPool"]>): ListenerSpec[] {
  return [
    { id: "control", protocol: "http", address: { mode: 0o600, ...control } },
    ...addresses.map((address): ListenerSpec => ({
      id: `pool ${shownAddress(address)}`,
      protocol: "http",
      address,
    })),
  ];
}

/** Where the pool of zerg generations brings connections to: beside the pool's socket, named by this process. */
function privateListener(pool: string): ListenerSpec {
  return {
    id: "zerg",
    protocol: "http",
    address: { path: `${pool}.${process.pid}`, mode: 0o600 },
    proxyHeader: true,
  };
}

function giveLog(file: string, { uid, gid }: { uid: number; gid: number }): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const descriptor = fs.openSync(file, "a", 0o640);
  fs.fchownSync(descriptor, uid, gid);
  fs.closeSync(descriptor);
}
