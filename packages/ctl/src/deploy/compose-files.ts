import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { FaultsError, parseDatabaseConnection, type Fault, type GalaxyConfig } from "@galaxy-jobs/runtime";
import { fillTemplate } from "./fill-template.ts";
import type { HostFacts } from "./host-facts.ts";
import type { RenderedFile } from "./render-files.ts";

/**
 * Containers for this configuration: the web tier, a service for each pool or each handler that job_conf defines, and a
 * PostgreSQL where the configuration names none. Beside it the file of their secrets.
 * @param choices.handlers containers of each pool
 * @throws FaultsError for what a container could not work with
 */
export function composeFiles(
  config: GalaxyConfig,
  facts: HostFacts,
  choices: { readonly handlers: number },
): RenderedFile[] {
  const faults: Fault[] = [];
  const account = accountOf(facts.user, faults);
  const port = portOf(config, faults);
  const hasOwnDatabase = config.database.kind === "embedded";
  faults.push(...databaseFaults(config));
  if (faults.length > 0) throw new FaultsError(facts.config, faults);
  const mounts = [
    ...facts.writable.map((folder) => mount(folder, false)),
    ...readFolders(config, facts).map((folder) => mount(folder, true)),
  ];
  const content = fillTemplate("compose/services", {
    config: facts.config,
    account: account ?? "",
    writable: facts.writable.join(", "),
    volumes: mounts.join(""),
    port: String(port),
    dependsOn: hasOwnDatabase ? "  depends_on:\n    postgres:\n      condition: service_healthy\n" : "",
    postgres: hasOwnDatabase ? fillTemplate("compose/postgres", {}) : "",
    handlers: services(facts, choices.handlers)
      .map((service) => fillTemplate("compose/handler", service))
      .join(""),
    volumeNames: hasOwnDatabase ? "volumes:\n  postgres:\n" : "",
  });
  return [
    { name: "docker-compose.yml", content: `${content.trimEnd()}\n` },
    {
      name: "galaxy.env",
      content: fillTemplate("compose/galaxy.env", { database: hasOwnDatabase ? ownDatabase() : "" }),
      secret: true,
    },
  ];
}

/** A service a pool, whose containers are named after themselves; or one for each handler of job_conf. */
function services({ handlers }: HostFacts, count: number): Record<string, string>[] {
  const pools = handlers[0]?.pools ?? [];
  if (pools.length === 0)
    return handlers.map(({ serverName }) => ({
      service: `handler-${serverName.replaceAll(/[^\w.-]/g, "-")}`,
      serverName,
      poolWords: "",
      replicas: "",
    }));
  return pools.map((pool) => {
    const tag = pool.split(".").slice(1).join(".");
    return {
      service: tag === "" ? "handler" : `handler-${tag.replaceAll(/[^\w.-]/g, "-")}`,
      serverName: `${tag === "" ? "handler" : tag}-%h`,
      poolWords: `, "--attach-to-pool", "${pool}"`,
      replicas: `    deploy:\n      replicas: ${count}\n`,
    };
  });
}

/** The long form: a folder that is not there is an error, and not one that the engine makes as root. */
function mount(folder: string, isReadOnly: boolean): string {
  return `    - type: bind\n      source: ${folder}\n      target: ${folder}\n${isReadOnly ? "      read_only: true\n" : ""}`;
}

/** Folders of what the configuration names, each once. */
function readFolders(config: GalaxyConfig, { writable }: HostFacts): string[] {
  const files = [config.file, config.jobConfigFile, config.environmentSetupFile].flatMap((file) =>
    file === undefined ? [] : [dirname(file)],
  );
  const folders = [
    ...files,
    ...(config.toolPaths ?? []),
    config.jobRulesDirectory,
    ...config.web.staticMaps.map(({ path }) => path),
  ].filter((folder) => existsSync(folder));
  const unique = [...new Set(folders)];
  const isIn = (folder: string, other: string) => folder === other || folder.startsWith(`${other}/`);
  return unique.filter(
    (folder) =>
      !writable.some((other) => isIn(folder, other)) &&
      !unique.some((other) => other !== folder && isIn(folder, other)),
  );
}

function accountOf(user: string, faults: Fault[]): string | undefined {
  const id = (flag: string): string =>
    execFileSync("id", [flag, "--", user], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  try {
    const uid = id("-u");
    if (uid !== "0") return `${uid}:${id("-g")}`;
    faults.push({
      key: "--user",
      message: "containers do not run as root",
      remedy: "name the account that owns data_dir, e.g. --user galaxy",
    });
  } catch {
    faults.push({
      key: "--user",
      message: `there is no account ${user} on this host`,
      remedy: "make it (useradd --system galaxy), or name another one",
    });
  }
  return undefined;
}

/** What the web tier listens on inside must be reachable from outside of the container. */
function portOf(config: GalaxyConfig, faults: Fault[]): number | undefined {
  for (const { protocol, address } of config.web.listeners)
    if (protocol === "http" && "port" in address && !/^(127\.|::1$|localhost$)/.test(address.host))
      return address.port;
  faults.push({
    key: "web.http",
    message: "inside a container nobody else reaches what the web tier listens on",
    remedy:
      "set http: 0.0.0.0:8080, and single_user to an address or to false; docker-compose.yml publishes it to this host only",
  });
  return undefined;
}

function databaseFaults({ database }: GalaxyConfig): Fault[] {
  if (database.kind === "embedded") return [];
  const { host } = parseDatabaseConnection(database.url);
  if (!host.startsWith("/") && !/^(127\.|::1$|localhost$)/.test(host)) return [];
  return [
    {
      key: "database_connection",
      message: `${host} is another place inside a container`,
      remedy: "name a host that containers reach, or leave it out for a PostgreSQL in a container of its own",
    },
  ];
}

function ownDatabase(): string {
  const password = randomBytes(24).toString("hex");
  return `POSTGRES_USER=galaxy
POSTGRES_DB=galaxy
POSTGRES_PASSWORD=${password}
GALAXY_CONFIG_OVERRIDE_DATABASE_CONNECTION=postgresql://galaxy:${password}@postgres:5432/galaxy
`;
}
