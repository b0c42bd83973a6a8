import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PreparedRun } from "@galaxy-jobs/handler";
import { until } from "../support/until.ts";

/** Where a test's run directories lie. */
export function makeRoot(): Promise<string> {
  return mkdtemp(join(tmpdir(), "galaxy-runs-"));
}

let lastJob = 0;

/**
 * A prepared run whose job script runs `tool`, keeps its exit code and ends with it.
 * @param before lines of the job script before the tool
 */
export async function makeRun(
  root: string,
  tool: string,
  {
    params = {},
    before = "",
    fence = 1,
  }: { params?: Record<string, unknown>; before?: string; fence?: number } = {},
): Promise<PreparedRun> {
  const jobId = (lastJob += 1);
  const directory = join(root, `${jobId}.${fence}`);
  for (const folder of ["working", "outputs"]) await mkdir(join(directory, folder), { recursive: true });
  await writeFile(join(directory, "tool_script.sh"), tool);
  await writeFile(
    join(directory, `galaxy_${jobId}.sh`),
    [
      before,
      `cd working`,
      `bash ../tool_script.sh > ../outputs/tool_stdout 2> ../outputs/tool_stderr < /dev/null`,
      `return_code=$?`,
      `echo $return_code > ../galaxy_${jobId}.ec`,
      `exit $return_code`,
      "",
    ].join("\n"),
  );
  const destination = { id: "here", runner: "local", tags: [], params, env: [], resubmit: [] };
  return { jobId, runFence: fence, directory, destination };
}

/** What the tool wrote to a file of its working directory, once it is there and not empty. */
export async function written(run: PreparedRun, file: string): Promise<string> {
  return until(
    async () => {
      const path = join(run.directory, "working", file);
      return existsSync(path) && (await readFile(path, "utf8")).trim();
    },
    { what: `${file} of run ${run.jobId}`, deadline: 30_000 },
  );
}

/** Pids that a tool noted, one a line. */
export async function pidsIn(run: PreparedRun, file: string, count: number): Promise<number[]> {
  return until(
    async () => {
      const pids = (await written(run, file)).split("\n").map(Number);
      return pids.length >= count && pids;
    },
    { what: `${count} pids in ${file}`, deadline: 30_000 },
  );
}
