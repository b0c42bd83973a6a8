import { chmod, mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, relative } from "node:path";
import { readDestinationSettings, type Destination } from "@galaxy-jobs/runtime";
import { datasetPath, type JobInput, type JobRow } from "@galaxy-jobs/shared-db";
import {
  buildCommand,
  jobResources,
  mapDataReferences,
  type FileValue,
  type InputValues,
  type Tool,
} from "@galaxy-jobs/tools";
import { atStep, type FaultStep } from "../fault-points.ts";
import type { HandlerContext } from "../handler-context.ts";
import { jobDirectory, jobFiles, type JobFiles } from "../job-directory.ts";
import { jobScript } from "../job-script.ts";
import type { PreparedRun } from "../runners/runner.ts";

export interface Preparation {
  readonly run: PreparedRun;
  readonly commandLine: string;
}

/** What a run without a run directory needs. */
export function prepareWithoutFiles(job: JobRow, destination: Destination): Preparation {
  const { id: jobId, fence: runFence, toolId } = job;
  return { run: { jobId, runFence, destination, toolId, directory: "" }, commandLine: "" };
}

/**
 * Fills the run directory of a queued job: working directory, config files, tool script and job script (galaxy.md 4.6–4.8).
 * The directory is made by this call, so a second attempt under the same fence fails here.
 * @throws ToolExpressionError and file system errors
 */
export async function prepare(
  context: HandlerContext,
  job: JobRow,
  tool: Tool,
  inputs: readonly JobInput[],
  destination: Destination,
): Promise<Preparation> {
  const directory = jobDirectory(context.config.jobWorkingDirectory, job.id, job.fence);
  const run = { jobId: job.id, runFence: job.fence, destination, toolId: job.toolId, directory };
  const files = jobFiles(directory, job.id);
  const at = (step: FaultStep, work: () => Promise<unknown>) => atStep(context.fault, step, work, job.toolId);
  await at("prepare.directory", () => makeDirectory(directory));
  const folders = foldersOf(files, destination);
  await at("prepare.folders", () => Promise.all(folders.map((folder) => mkdir(folder))));
  const values = withFiles(tool, job, inputs, context.config.fileDirectory);
  const command = await buildCommand(tool, values, context.sandbox);
  for (const file of command.configFiles)
    await at("prepare.config-file", () => writeConfigFile(files.working, file));
  await at("prepare.tool-script", () => writeFile(files.toolScript, `set -e\n${command.commandLine}\n`));
  const script = jobScript(files, destination, context.config.environmentSetupFile);
  await at("prepare.job-script", () => writeFile(files.jobScript, script));
  return { run, commandLine: command.commandLine };
}

/** Fails where it is there already. Its group of a thousand mostly is. */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o755 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await mkdir(dirname(directory), { recursive: true });
    await mkdir(directory, { mode: 0o755 });
  }
}

/** With `tmp_dir` the script itself makes the directory for temporary files, on the machine that it runs on. */
function foldersOf(files: JobFiles, { params }: Destination): string[] {
  const folders = [files.working, files.outputs, files.configs, files.home];
  return readDestinationSettings(params).settings.tmpDir === undefined ? [...folders, files.tmp] : folders;
}

/** The stored parameters with each dataset reference replaced by the File object that expressions see (galaxy.md 7.5). */
function withFiles(tool: Tool, job: JobRow, inputs: readonly JobInput[], fileDirectory: string): InputValues {
  const byId = new Map(inputs.map((input) => [input.id, input]));
  // They are for rules, not for the tool.
  const { [jobResources]: _, ...params } = job.params;
  return mapDataReferences(tool, params as InputValues, (reference) => {
    const input = byId.get(Number(reference.id));
    if (input === undefined)
      throw new Error(`the job names dataset ${reference.id}, which is none of its inputs`);
    return fileValue(input, fileDirectory);
  });
}

function fileValue(input: JobInput, fileDirectory: string): FileValue {
  const path = datasetPath(fileDirectory, input.uuid);
  const name = basename(path);
  const nameext = extname(name);
  return {
    class: "File",
    path,
    basename: name,
    nameroot: name.slice(0, name.length - nameext.length),
    nameext,
    size: input.fileSize ?? 0,
    format: input.extension,
    name: input.name,
  };
}

async function writeConfigFile(working: string, file: { path: string; content: string }): Promise<void> {
  const path = join(working, file.path);
  const inside = relative(working, path);
  if (inside === "" || inside.startsWith("..") || isAbsolute(inside)) {
    throw new Error(`config file ${JSON.stringify(file.path)} would lie outside the working directory`);
  }
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, file.content);
  if (file.content.startsWith("#!")) await chmod(path, 0o755);
}
