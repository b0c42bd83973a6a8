import { startEmbeddedServer, startSystemServer, type TestServer } from "./servers.ts";

/** The servers of this run, for all test files: PostgreSQL starts once, each file gets databases of its own. */
export const servers: { embedded?: TestServer; system?: TestServer } = {};

export async function mochaGlobalSetup(): Promise<void> {
  servers.embedded = await startEmbeddedServer();
  const system = await startSystemServer();
  if (system !== undefined) servers.system = system;
}

export async function mochaGlobalTeardown(): Promise<void> {
  await servers.embedded?.stop();
  await servers.system?.stop();
}
