import path from "node:path";
import type { GalaxyOptionValues } from "./galaxy-options.ts";

/** Where an instance keeps its things; all absolute. */
export interface ConfigPaths {
  readonly rootDirectory: string;
  readonly configDirectory: string;
  readonly dataDirectory: string;
  readonly fileDirectory: string;
  readonly jobWorkingDirectory: string;
  readonly newFileDirectory: string;
  /** job_rules_directory; default `rules` beside galaxy.yml. */
  readonly jobRulesDirectory: string;
  /** job_resource_params_file; default `job_resource_params_conf.xml` beside galaxy.yml, which need not exist. */
  readonly jobResourceParamsFile: string;
}

/**
 * Resolves relative paths as Galaxy does: data lie under data_dir, and a leading `database/` (how these options were
 * written when they were relative to the root) counts for data_dir.
 *
 * The root is galaxy_root; else, where the file lies in a folder named `config`, that folder's parent; else the folder
 * of the file; without a file the current folder.
 */
export function resolvePaths(file: string | undefined, values: GalaxyOptionValues): ConfigPaths {
  const folder = file === undefined ? process.cwd() : path.dirname(file);
  const usualRoot = file !== undefined && path.basename(folder) === "config" ? path.dirname(folder) : folder;
  const rootDirectory =
    values.galaxy_root === undefined ? usualRoot : path.resolve(folder, values.galaxy_root);
  const dataDirectory = path.resolve(rootDirectory, values.data_dir ?? "database");
  const configDirectory =
    values.config_dir !== undefined
      ? path.resolve(rootDirectory, values.config_dir)
      : file === undefined
        ? path.join(rootDirectory, "config")
        : folder;
  const inData = (value: string): string => path.resolve(dataDirectory, value.replace(/^database\//, ""));
  return {
    rootDirectory,
    configDirectory,
    dataDirectory,
    fileDirectory: inData(values.file_path ?? "objects"),
    jobWorkingDirectory: inData(values.job_working_directory ?? "jobs_directory"),
    newFileDirectory: inData(values.new_file_path ?? "tmp"),
    jobRulesDirectory:
      values.job_rules_directory === undefined
        ? path.join(configDirectory, "rules")
        : path.resolve(rootDirectory, values.job_rules_directory),
    jobResourceParamsFile:
      values.job_resource_params_file === undefined
        ? path.join(configDirectory, "job_resource_params_conf.xml")
        : path.resolve(rootDirectory, values.job_resource_params_file),
  };
}
