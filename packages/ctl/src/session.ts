import { findConfigFile, loadGalaxyConfig, locateDatabase, type GalaxyConfig } from "@galaxy-jobs/runtime";
import { openWhenReady, type Database } from "@galaxy-jobs/shared-db";

export interface CommonArguments {
  readonly configFile?: string | undefined;
  readonly json?: boolean | undefined;
}

/** The configuration that the command line names. @throws FaultsError with every fault */
export function configOf(args: CommonArguments): GalaxyConfig {
  return loadGalaxyConfig({ file: findConfigFile(args.configFile, process.env), env: process.env });
}

/** Runs a command with the database of the configuration, and leaves it again. */
export async function withDatabase(
  args: CommonArguments,
  work: (database: Database, config: GalaxyConfig) => Promise<void>,
): Promise<void> {
  const config = configOf(args);
  const located = await locateDatabase(config);
  try {
    const database = await openWhenReady(located.connection, {
      applicationName: "galaxyctl",
      maxConnections: 2,
      deadline: 5_000,
    });
    try {
      await work(database, config);
    } finally {
      await database.end({ timeout: 5 });
    }
  } finally {
    await located.release();
  }
}
