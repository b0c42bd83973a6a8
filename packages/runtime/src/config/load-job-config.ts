import fs from "node:fs";
import path from "node:path";
import type { Fault } from "../faults.ts";
import type { ConfigPaths } from "./config-paths.ts";
import { isMapping, readConfigFile, type ConfigSource } from "./config-source.ts";
import { UNUSED_GALAXY_OPTIONS } from "./galaxy-option-names.ts";
import { GALAXY_OPTIONS, type GalaxyOptionName } from "./galaxy-options.ts";
import { DEFAULT_JOB_CONFIG, type JobConfig } from "./job-config.ts";
import type { Lookup } from "./job-config/place.ts";
import { parseJobConfigXml } from "./job-config-xml/job-config-document.ts";
import { readJobConfig } from "./job-config-reader.ts";
import type { ReadOptions } from "./option-values.ts";

interface Loading {
  /** The galaxy.yml. */
  readonly source: ConfigSource | undefined;
  readonly paths: Pick<ConfigPaths, "rootDirectory" | "configDirectory">;
  readonly options: ReadOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly report: (fault: Fault) => void;
  readonly warn: (fault: Fault) => void;
}

interface LoadedJobConfig {
  readonly jobs: JobConfig;
  readonly file: string | undefined;
  /** Options of galaxy.yml that it takes values from (`from_config`); they may be of the administrator's own invention. */
  readonly askedOptions: ReadonlySet<string>;
}

/**
 * job_config inline beats job_config_file; without either the job_conf.yml beside galaxy.yml, and without that the
 * job_conf.xml there; without any the defaults (galaxy.md 3.1). track_jobs_in_database: false means mem-self where no
 * method is configured (2.2).
 */
export function loadJobConfig(loading: Loading): LoadedJobConfig {
  const { source, options } = loading;
  const asked = new Set<string>();
  const lookup = lookupIn(loading, asked);
  const inline = source !== undefined && options.values.job_config !== undefined;
  const file = inline ? undefined : findFile(loading);
  const jobs = inline
    ? readJobConfig(source, ["galaxy", "job_config"], options.values.job_config, loading.warn, lookup)
    : file === undefined
      ? DEFAULT_JOB_CONFIG
      : readJobFile(file, loading, lookup);
  return { jobs: withTracking(jobs, loading), file, askedOptions: asked };
}

function withTracking(jobs: JobConfig, { options, warn }: Loading): JobConfig {
  if (options.values.track_jobs_in_database !== false) return jobs;
  if (jobs.assign === undefined) return { ...jobs, assign: ["mem-self"] };
  if (jobs.assign.some((method) => method !== "mem-self"))
    warn(
      options.fault(
        "track_jobs_in_database",
        `has no effect, since job_conf says who handles jobs: ${jobs.assign.join(", ")}`,
      ),
    );
  return jobs;
}

function readJobFile(file: string, loading: Loading, lookup: Lookup): JobConfig {
  const { report, warn } = loading;
  const shown = path.relative(process.cwd(), file);
  const source = file.toLowerCase().endsWith(".xml")
    ? readConfigFile(file, shown, report, (text) => parseJobConfigXml(text, file, shown))
    : readConfigFile(file, shown, report);
  if (source === undefined) return DEFAULT_JOB_CONFIG;
  return readJobConfig(source, [], source.document.value, warn, lookup);
}

function findFile({ paths, options, report, warn }: Loading): string | undefined {
  const named = options.values.job_config_file;
  if (named !== undefined) {
    const folder = named.startsWith("config/") ? paths.rootDirectory : paths.configDirectory;
    const file = path.resolve(folder, named);
    if (fs.existsSync(file)) return file;
    report(options.fault("job_config_file", `there is no file ${file}`));
    return undefined;
  }
  const [found, ...others] = ["job_conf.yml", "job_conf.xml"]
    .map((name) => path.join(paths.configDirectory, name))
    .filter((file) => fs.existsSync(file));
  for (const other of others)
    warn({
      file: path.relative(process.cwd(), other),
      message: "is not read: there is a job_conf.yml beside it",
      remedy: "remove one of them, or name the one you mean as job_config_file",
    });
  return found;
}

function lookupIn({ source, options, env }: Loading, asked: Set<string>): Lookup {
  const content = isMapping(source?.document.value) ? source.document.value["galaxy"] : undefined;
  return {
    env,
    option: (name) => {
      asked.add(name);
      if (Object.hasOwn(GALAXY_OPTIONS, name)) return options.values[name as GalaxyOptionName];
      return isMapping(content) ? content[name] : undefined;
    },
    optionNames: [...Object.keys(GALAXY_OPTIONS), ...UNUSED_GALAXY_OPTIONS],
  };
}
